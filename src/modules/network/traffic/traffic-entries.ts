import { z } from 'zod';

export const MAX_REPORT_ENTRIES = 5_000;

const Entry = z.object({
  nodeId: z.string(),
  subscriptionId: z.string(),
  upload: z.bigint(),
  download: z.bigint(),
});

export const TrafficReportSchema = z.object({
  bootId: z.guid('must be a UUID').toLowerCase(),
  sequence: z.bigint().min(0n, 'must not be negative'),
  entries: z.array(Entry).max(MAX_REPORT_ENTRIES, `must have at most ${MAX_REPORT_ENTRIES} entries`),
});

/** Stands for bytes that are not a 64-bit integer: the lowest one, which is refused anyway. */
export const MALFORMED_BYTES = String(-(2n ** 63n));

/** Bytes that a user sent and received at a node, before the node's ratio applies. */
export interface TrafficEntry extends z.output<typeof Entry> {
  /** Zero-based index in the report. */
  index: number;
}

export const TrafficRefusalReason = {
  FOREIGN: 'FOREIGN',
  MALFORMED: 'MALFORMED',
  NEGATIVE: 'NEGATIVE',
  OVERFLOW: 'OVERFLOW',
} as const;
export type TrafficRefusalReason = keyof typeof TrafficRefusalReason;

/** An entry that was not counted, with its ids as the agent sent them. */
export interface RefusedEntry {
  index: number;
  nodeId: string;
  subscriptionId: string;
  reason: TrafficRefusalReason;
}

export function refuse(
  { index, nodeId, subscriptionId }: TrafficEntry,
  reason: TrafficRefusalReason,
): RefusedEntry {
  return { index, nodeId, subscriptionId, reason };
}

const Uuid = z.guid();

/** Checks an entry without the database: ids must be UUIDs, and bytes whole and not negative. */
export function refusalReasonOf({
  nodeId,
  subscriptionId,
  upload,
  download,
}: TrafficEntry): TrafficRefusalReason | null {
  if (!Uuid.safeParse(nodeId).success || !Uuid.safeParse(subscriptionId).success) return 'FOREIGN';
  const least = upload < download ? upload : download;
  if (String(least) === MALFORMED_BYTES) return 'MALFORMED';
  return least < 0n ? 'NEGATIVE' : null;
}
