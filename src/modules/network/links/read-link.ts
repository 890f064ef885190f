import { etagOf } from '../../../platform/http/conditional-get.ts';
import { LocalCache } from '../../../platform/local-cache.ts';
import type { Services } from '../../../platform/services.ts';
import {
  PLAN_COLUMNS,
  type PlanColumns,
  SUBSCRIPTION_COLUMNS,
  type SubscriptionColumns,
  type SubscriptionWithPlan,
  toSubscription,
} from '../../subscription/subscription-columns.ts';
import { listSubscriptionNodes, type NodeListings } from '../node-list/subscription-nodes.ts';
import { type LinkFormat, uniqueNames } from './link-format.ts';
import type { LinkedNode } from './node-settings.ts';

/** The subscription behind a link. */
export interface LinkedSubscription {
  subscription: SubscriptionWithPlan;
  /** Why it has no nodes; null if it can be used. For people, in English. */
  notice: string | null;
}

/** The document of a link. */
export interface LinkDocument {
  text: string;
  etag: string;
  /** Number of nodes that the format cannot express. */
  leftOut: number;
}

export type LinkDocuments = (link: LinkedSubscription, format: LinkFormat) => Promise<LinkDocument>;

const TOKEN = /^[\w-]{1,64}$/;

/** Finds a subscription by the token of its link. @returns null for any other token */
export async function findLink(
  { db }: Pick<Services, 'db'>,
  token: string,
): Promise<LinkedSubscription | null> {
  if (!TOKEN.test(token)) return null;
  const [row] = await db.$queryRaw<(PlanColumns & SubscriptionColumns & { now: Date; isActive: boolean })[]>`
    SELECT tessera_now() AS now, ${SUBSCRIPTION_COLUMNS}, ${PLAN_COLUMNS},
      u.enabled AND u.deleted_at IS NULL AS "isActive"
    FROM user_subscriptions s JOIN plans p ON p.id = s.plan_id JOIN users u ON u.id = s.user_id
    WHERE s.token = ${token}`;
  const subscription = row && toSubscription(row);
  return subscription ? { subscription, notice: noticeOf(subscription, row.isActive) } : null;
}

function noticeOf({ status, expiresAt }: SubscriptionWithPlan, isActive: boolean): string | null {
  if (!isActive) return 'This account is disabled';
  switch (status) {
    case 'ACTIVE':
      return null;
    case 'EXPIRED':
      return `Expired on ${expiresAt?.toISOString().slice(0, 10)}. Redeem a code to continue`;
    case 'EXHAUSTED':
      return 'The traffic is used up. Redeem a code to continue';
    case 'STOPPED':
      return 'This subscription was stopped';
  }
}

/** Documents are rendered again when the node list or the credential changes. */
const LIMITS = { maxAgeMs: 3_600_000, entries: 2_000, bytes: 64 * 1024 * 1024 };

/** Call once per process. */
export function createLinkDocuments(services: { nodeListings: NodeListings }): LinkDocuments {
  const cache = new LocalCache<LinkDocument>(LIMITS);
  return async (link, format) => {
    const { subscription } = link;
    const key = [format.name, subscription.credential, subscription.plan.nodeListVersion, link.notice].join(
      ' ',
    );
    // SIP008 contains the counters, which change all the time.
    const isCached = format.name !== 'sip008';
    const known = isCached && cache.get(subscription.id, key);
    if (known) return known;
    const reading = cache.begin(subscription.id);
    try {
      const document = await render(services, link, format);
      cache.put(reading, document, { key, bytes: Buffer.byteLength(document.text) });
      return document;
    } finally {
      cache.cancel(reading);
    }
  };
}

async function render(
  services: { nodeListings: NodeListings },
  { subscription, notice }: LinkedSubscription,
  format: LinkFormat,
): Promise<LinkDocument> {
  const nodes = notice === null ? await listSubscriptionNodes(services, subscription) : [noticeNode(notice)];
  const names = uniqueNames(nodes.map(({ name }) => oneLine(name)));
  const { upload, download, trafficLimit } = subscription;
  const { text, leftOut } = format.render({
    nodes: nodes.map((node, at) => ({ ...node, name: names[at] ?? '' })),
    ...{ upload, download, trafficLimit },
  });
  return { text, leftOut, etag: etagOf(text) };
}

/** Control characters would end a line in some of the formats. */
const oneLine = (name: string) =>
  name
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim() || 'Node';

/** An entry that says why there are no others. It leads nowhere; all formats have Shadowsocks. */
const noticeNode = (notice: string): LinkedNode => ({
  ...{ nodeId: NO_ID, name: notice, address: '127.0.0.1', port: 1, credential: NO_ID },
  clientConfig: { protocol: 'SHADOWSOCKS', method: 'aes-128-gcm', serverKey: null },
});

const NO_ID = '00000000-0000-0000-0000-000000000000';
