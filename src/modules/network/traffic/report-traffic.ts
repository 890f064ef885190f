import type { z } from 'zod';
import type { Transaction } from '../../../platform/database/database.ts';
import { withRetry } from '../../../platform/database/retry.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { type CountedTraffic, countTraffic, findOwnEntries } from './count-traffic.ts';
import { packReasons, reasonAt } from './refusal-reasons.ts';
import {
  type RefusedEntry,
  refusalReasonOf,
  refuse,
  type TrafficEntry,
  TrafficReportSchema,
} from './traffic-entries.ts';

/**
 * The result of a report. A report that is repeated unchanged gets the same refusals as the first
 * time.
 */
export interface TrafficReportResult {
  /** False for a repeated report, which is not counted again. */
  applied: boolean;
  /** Distinct ids of subscriptions with a refused entry, as the agent sent them. */
  refused: string[];
  refusals: RefusedEntry[];
}

interface Report {
  serverId: string;
  bootId: string;
  sequence: bigint;
  entries: TrafficEntry[];
}

/**
 * Counts the traffic of a server's users, exactly once for each (server, bootId, sequence);
 * sequences may arrive in any order. Idempotent: a repeated report changes nothing and gets the
 * same refusals.
 *
 * Invalid entries are refused individually, and all others are counted. An entry is invalid if the
 * server may not report it, if its bytes are negative or malformed, or if it would overflow a
 * counter.
 *
 * Announces only subscriptions that reached their limit. Watchers see other counters with their
 * poll.
 *
 * @throws PlatformError BAD_USER_INPUT: nothing is counted, and the sequence can be used again
 */
export async function reportTraffic(
  { db, log, pubSub }: Pick<Services, 'db' | 'log' | 'pubSub'>,
  { serverId, input }: { serverId: string; input: z.input<typeof TrafficReportSchema> },
): Promise<TrafficReportResult> {
  const { entries, ...head } = checkInput(TrafficReportSchema, input);
  const report = { serverId, ...head, entries: entries.map((entry, index) => ({ ...entry, index })) };
  const { exhausted, result } = await withRetry(() => db.$transaction((tx) => apply(tx, report)), {
    log,
    budgetMs: 1_000,
  });
  announce(
    { pubSub },
    { planIdsOfUsers: exhausted.map(({ planId }) => planId), userIds: exhausted.map(({ userId }) => userId) },
  );
  return result;
}

interface AppliedReport extends Pick<CountedTraffic, 'exhausted'> {
  result: TrafficReportResult;
}

async function apply(tx: Transaction, report: Report): Promise<AppliedReport> {
  if (!(await claim(tx, report))) {
    return { exhausted: [], result: resultOf(false, await readRefusals(tx, report)) };
  }
  const { exhausted, refusals } = await countOwn(tx, report);
  if (refusals.length > 0) await storeRefusals(tx, report, refusals);
  return { exhausted, result: resultOf(true, refusals) };
}

/**
 * Inserts the key of the report; false if it exists. Of concurrent duplicates one inserts it, and
 * the others wait for its commit.
 */
async function claim(tx: Transaction, { serverId, bootId, sequence }: Report): Promise<boolean> {
  const inserted = await tx.$executeRaw`
    INSERT INTO traffic_reports (server_id, boot_id, sequence)
    VALUES (${serverId}::uuid, ${bootId}::uuid, ${sequence}) ON CONFLICT DO NOTHING`;
  return inserted === 1;
}

async function countOwn(
  tx: Transaction,
  { serverId, entries }: Report,
): Promise<Pick<CountedTraffic, 'exhausted'> & { refusals: RefusedEntry[] }> {
  const valid = entries.filter((entry) => !refusalReasonOf(entry));
  const own = await findOwnEntries(tx, { serverId, entries: valid });
  const { exhausted, overflowing } = await countTraffic(
    tx,
    valid.filter(({ index }) => own.has(index)),
  );
  const refusals = entries.flatMap((entry) => {
    const reason = refusalReasonOf(entry) ?? (own.has(entry.index) ? null : 'FOREIGN');
    if (reason) return refuse(entry, reason);
    return overflowing.has(entry.subscriptionId.toLowerCase()) ? refuse(entry, 'OVERFLOW') : [];
  });
  return { exhausted, refusals };
}

async function storeRefusals(
  tx: Transaction,
  { serverId, bootId, sequence }: Report,
  refusals: readonly RefusedEntry[],
): Promise<void> {
  await tx.$executeRaw`
    UPDATE traffic_reports SET refusal_reasons = ${packReasons(refusals)}
    WHERE server_id = ${serverId}::uuid AND boot_id = ${bootId}::uuid AND sequence = ${sequence}`;
}

async function readRefusals(
  tx: Transaction,
  { serverId, bootId, sequence, entries }: Report,
): Promise<RefusedEntry[]> {
  const stored = await tx.trafficReport.findUnique({
    where: { serverId_bootId_sequence: { serverId, bootId, sequence } },
    select: { refusals: true, refusalReasons: true },
  });
  // Reports that version 0.1 has counted.
  if (stored?.refusals) return stored.refusals as unknown as RefusedEntry[];
  const reasons = stored?.refusalReasons ?? new Uint8Array();
  return entries.flatMap((entry) => {
    const stored = reasonAt(reasons, entry.index);
    const reason = stored && (refusalReasonOf(entry) ?? stored);
    return reason ? refuse(entry, reason) : [];
  });
}

function resultOf(applied: boolean, refusals: RefusedEntry[]): TrafficReportResult {
  return { applied, refusals, refused: [...new Set(refusals.map(({ subscriptionId }) => subscriptionId))] };
}
