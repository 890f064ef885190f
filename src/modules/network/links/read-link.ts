import { randomUUID } from 'node:crypto';
import type { SiteSettings } from '../../../generated/prisma/client.ts';
import { createReadCoalescer } from '../../../platform/database/read-coalescer.ts';
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
import { renderTemplate } from './link-template.ts';
import { DERIVED_KEYS, type LinkedNode } from './node-settings.ts';

/** The subscription behind a link. */
export interface LinkedSubscription {
  subscription: SubscriptionWithPlan;
  /** Why it has no nodes; null if it can be used. For people, in English. */
  notice: string | null;
}

/** The document of a link. */
export interface LinkDocument {
  etag: string;
  /** Number of nodes that the format cannot express. */
  leftOut: number;
  text: () => string;
}

export type LinkDocuments = (
  link: LinkedSubscription,
  options: { format: LinkFormat; site: LinkSite },
) => Promise<LinkDocument>;

/** Settings of the site that documents depend on. */
export type LinkSite = Pick<SiteSettings, 'name' | 'version' | 'linkTemplates'>;

const TOKEN = /^[\w-]{1,64}$/;

/** Finds a subscription by the token of its link; null for any other token. */
export type FindLink = (token: string) => Promise<LinkedSubscription | null>;

/**
 * Call once per process. Concurrent calls share a statement. Nothing is cached, so a token that was
 * rotated is unknown immediately.
 */
export function createFindLink({ db }: Pick<Services, 'db'>): FindLink {
  type Row = PlanColumns & SubscriptionColumns & { linkToken: string; now: Date; isActive: boolean };
  const read = createReadCoalescer(async (tokens) => {
    const rows = await db.$queryRaw<Row[]>`
      SELECT s.token AS "linkToken", tessera_now() AS now, ${SUBSCRIPTION_COLUMNS}, ${PLAN_COLUMNS},
        u.enabled AND u.deleted_at IS NULL AS "isActive"
      FROM user_subscriptions s JOIN plans p ON p.id = s.plan_id JOIN users u ON u.id = s.user_id
      WHERE s.token = ANY(${[...tokens]})`;
    return new Map(rows.map((row) => [row.linkToken, row]));
  });
  return async (token) => {
    const row = TOKEN.test(token) ? await read(token) : undefined;
    const subscription = row && toSubscription(row);
    return subscription ? { subscription, notice: noticeOf(subscription, row.isActive) } : null;
  };
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

/** A rendered text, in which credentials may have to be filled in. */
interface Rendered {
  text: string;
  etag: string;
  leftOut: number;
}

/** Call once per process. */
export function createLinkDocuments(services: { nodeListings: NodeListings }): LinkDocuments {
  const cache = new LocalCache<Rendered>(LIMITS);
  const renderOnce = async (owner: string, key: string, work: () => Promise<Rendered>) => {
    const known = cache.get(owner, key);
    if (known) return known;
    const reading = cache.begin(owner);
    try {
      const rendered = await work();
      cache.put(reading, rendered, { key, bytes: Buffer.byteLength(rendered.text) });
      return rendered;
    } finally {
      cache.cancel(reading);
    }
  };
  return async (link, { format, site }) => {
    const how = { format, site };
    const { plan, credential, id } = link.subscription;
    const version = [format.name, plan.nodeListVersion, site.version, link.notice].join(' ');
    if (format.isTemplate) {
      const template = await renderOnce(plan.id, version, () => render(services, asTemplate(link), how));
      return fill(template, credential);
    }
    // SIP008 contains the counters, which change all the time.
    const { text, ...document } =
      format.name === 'sip008'
        ? await render(services, link, how)
        : await renderOnce(id, `${version} ${credential}`, () => render(services, link, how));
    return { ...document, text: () => text };
  };
}

/** Stands for the credential in documents that all subscriptions of a plan share. */
const PLACEHOLDER = randomUUID();

const asTemplate = ({ subscription, notice }: LinkedSubscription): LinkedSubscription => ({
  subscription: { ...subscription, credential: PLACEHOLDER },
  notice,
});

function fill({ text, etag, leftOut }: Rendered, credential: string): LinkDocument {
  return {
    ...{ etag: etagOf(`${etag} ${credential}`), leftOut },
    text: () => {
      let filled = text.replaceAll(PLACEHOLDER, credential);
      for (const derive of DERIVED_KEYS) filled = filled.replaceAll(derive(PLACEHOLDER), derive(credential));
      return filled;
    },
  };
}

async function render(
  services: { nodeListings: NodeListings },
  { subscription, notice }: LinkedSubscription,
  { format, site }: { format: LinkFormat; site: LinkSite },
): Promise<Rendered> {
  const nodes = notice === null ? await listSubscriptionNodes(services, subscription) : [noticeNode(notice)];
  const names = uniqueNames(nodes.map(({ name }) => oneLine(name)));
  const { upload, download, trafficLimit } = subscription;
  const named = nodes.map((node, at) => ({ ...node, name: names[at] ?? '' }));
  const template = templateOf(site, format.name);
  const { text, leftOut } =
    format.template && template !== null
      ? renderTemplate(format.template, template, {
          nodes: named,
          texts: { site: site.name, plan: subscription.plan.name },
        })
      : format.render({ nodes: named, upload, download, trafficLimit });
  return { text, leftOut, etag: etagOf(text) };
}

/** The template that an admin has set for a format; null for the built-in document. */
export function templateOf(
  { linkTemplates }: Pick<LinkSite, 'linkTemplates'>,
  format: string,
): string | null {
  const template = (linkTemplates as Record<string, unknown>)[format];
  return typeof template === 'string' ? template : null;
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
