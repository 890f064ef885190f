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

/** Bytes that a user sent and received at a node, before the node's ratio applies. */
export interface TrafficEntry extends z.output<typeof Entry> {
  /** Zero-based index in the report. */
  index: number;
}

export const TrafficRefusalReason = {
  FOREIGN: 'FOREIGN',
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

/** Checks an entry without the database: ids must be UUIDs, and bytes must not be negative. */
export function refusalReasonOf({
  nodeId,
  subscriptionId,
  upload,
  download,
}: TrafficEntry): TrafficRefusalReason | null {
  if (!Uuid.safeParse(nodeId).success || !Uuid.safeParse(subscriptionId).success) return 'FOREIGN';
  return upload < 0n || download < 0n ? 'NEGATIVE' : null;
}
