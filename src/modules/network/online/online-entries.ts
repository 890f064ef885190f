import { z } from 'zod';
import { onlineAddress } from './online-address.ts';
import type { ConnectedSubscription } from './online-users.ts';

export const MAX_ADDRESSES = 50;

/** Agents choose what is echoed to them, at any length. */
const MAX_ECHOED_LENGTH = 100;

export const OnlineNoticeReason = {
  FOREIGN: 'FOREIGN',
  MALFORMED_ADDRESS: 'MALFORMED_ADDRESS',
  TOO_MANY_ADDRESSES: 'TOO_MANY_ADDRESSES',
} as const;
export type OnlineNoticeReason = keyof typeof OnlineNoticeReason;

/** Names a part of a report that was not stored. */
export interface OnlineNotice {
  /** Zero-based index of the entry in the report. */
  index: number;
  subscriptionId: string;
  reason: OnlineNoticeReason;
  /** The first addresses that were not stored. */
  ips: string[];
}

const Uuid = z.guid();

type Addresses = Map<string, Set<string>>;

/**
 * Takes the entries one by one. Entries of the same subscription are united, also with those of
 * earlier parts of the report.
 *
 * @param reported as the agent sent it
 * @param own ids in lowercase of the subscriptions that the server may report
 * @param earlier addresses by subscription from earlier parts
 */
export function readOnlineEntries(
  reported: readonly ConnectedSubscription[],
  own: ReadonlySet<string>,
  earlier: ReadonlyMap<string, readonly string[]> = new Map(),
): { entries: ConnectedSubscription[]; notices: OnlineNotice[] } {
  const taken: Addresses = new Map();
  const notices = reported.flatMap((entry, index) => {
    const id = entry.subscriptionId.toLowerCase();
    if (!own.has(id)) return noticeOf(entry, { index, reason: 'FOREIGN', ips: [] });
    const known = taken.get(id) ?? new Set(earlier.get(id));
    taken.set(id, known);
    const { malformed, surplus } = addAddresses(known, entry.ips);
    return [
      ...noticeOf(entry, { index, reason: 'MALFORMED_ADDRESS', ips: malformed }),
      ...noticeOf(entry, { index, reason: 'TOO_MANY_ADDRESSES', ips: surplus }),
    ];
  });
  return { entries: [...taken].map(([subscriptionId, ips]) => ({ subscriptionId, ips: [...ips] })), notices };
}

export const isSubscriptionId = (id: string): boolean => Uuid.safeParse(id).success;

function addAddresses(
  known: Set<string>,
  ips: readonly string[],
): { malformed: string[]; surplus: string[] } {
  const malformed: string[] = [];
  const surplus: string[] = [];
  for (const ip of ips) {
    const address = onlineAddress(ip);
    if (address === null) malformed.push(ip);
    else if (known.size < MAX_ADDRESSES) known.add(address);
    else if (!known.has(address)) surplus.push(ip);
  }
  return { malformed, surplus };
}

/** A notice about addresses needs at least one; a foreign entry has none. */
function noticeOf(
  { subscriptionId }: ConnectedSubscription,
  { ips, ...notice }: Omit<OnlineNotice, 'subscriptionId'>,
): OnlineNotice[] {
  if (ips.length === 0 && notice.reason !== 'FOREIGN') return [];
  const echoed = ips.slice(0, MAX_ADDRESSES).map((ip) => ip.slice(0, MAX_ECHOED_LENGTH));
  return [{ ...notice, subscriptionId: subscriptionId.slice(0, MAX_ECHOED_LENGTH), ips: echoed }];
}
