import { z } from 'zod';

/** Entries that a report has at most. */
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

/** Bytes that a user has sent and received at a node, before its ratio. */
export interface TrafficEntry extends z.output<typeof Entry> {
  /** Its place in the report, from 0. */
  index: number;
}

/** Why an entry does not count. */
export const TrafficRefusalReason = {
  FOREIGN: 'FOREIGN',
  NEGATIVE: 'NEGATIVE',
  OVERFLOW: 'OVERFLOW',
} as const;
export type TrafficRefusalReason = keyof typeof TrafficRefusalReason;

/** An entry that does not count, named by its place and as it was sent. */
export interface RefusedEntry {
  index: number;
  nodeId: string;
  subscriptionId: string;
  reason: TrafficRefusalReason;
}

/** The refusal of an entry. */
export function refuse(
  { index, nodeId, subscriptionId }: TrafficEntry,
  reason: TrafficRefusalReason,
): RefusedEntry {
  return { index, nodeId, subscriptionId, reason };
}

const Uuid = z.guid();

/**
 * What can be told from an entry alone: traffic runs forwards, and what is no id is nothing of
 * ours.
 */
export function refusalReasonOf({
  nodeId,
  subscriptionId,
  upload,
  download,
}: TrafficEntry): TrafficRefusalReason | null {
  if (!Uuid.safeParse(nodeId).success || !Uuid.safeParse(subscriptionId).success) return 'FOREIGN';
  return upload < 0n || download < 0n ? 'NEGATIVE' : null;
}
