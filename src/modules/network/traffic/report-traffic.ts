import type { z } from 'zod';
import type { Transaction } from '../../../platform/database/database.ts';
import { withRetry } from '../../../platform/database/retry.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { type Counted, countTraffic, findOwnEntries } from './count-traffic.ts';
import { faultOf, refuse, type TrafficEntry, type TrafficRefusal, TrafficReport } from './traffic-entries.ts';

/** What became of a report. */
export interface TrafficReceipt {
  /** False for one that was applied before: nothing was counted again. */
  applied: boolean;
  /** Subscriptions with an entry that did not count, as they were sent. */
  refused: string[];
  refusals: TrafficRefusal[];
}

interface Report {
  serverId: string;
  bootId: string;
  sequence: bigint;
  entries: TrafficEntry[];
}

/**
 * Counts what the users of a server have sent and received, exactly once for each (server, bootId, sequence), in any
 * order of the sequences. Entries that are not the server's to report, run backwards, or would make a counter
 * overflow are refused by name, and the rest counts. Sent again, a report changes nothing and is answered the same.
 *
 * Whose traffic is used up is told, and so are the servers; counters alone are left to the poll of those who watch.
 *
 * @throws PlatformError BAD_USER_INPUT: nothing of the report is applied, and its sequence can be used again
 */
export async function reportTraffic(
  { db, log, pubSub }: Pick<Services, 'db' | 'log' | 'pubSub'>,
  { serverId, input }: { serverId: string; input: z.input<typeof TrafficReport> },
): Promise<TrafficReceipt> {
  const { entries, ...head } = checkInput(TrafficReport, input);
  const report = { serverId, ...head, entries: entries.map((entry, index) => ({ ...entry, index })) };
  const { exhausted, receipt } = await withRetry(() => db.$transaction((tx) => apply(tx, report)), {
    log,
    budgetMs: 1_000,
  });
  announce(
    { pubSub },
    { planIdsOfUsers: exhausted.map(({ planId }) => planId), userIds: exhausted.map(({ userId }) => userId) },
  );
  return receipt;
}

interface Outcome extends Pick<Counted, 'exhausted'> {
  receipt: TrafficReceipt;
}

async function apply(tx: Transaction, report: Report): Promise<Outcome> {
  if (!(await isFirst(tx, report))) {
    return { exhausted: [], receipt: receiptOf(false, await readRefusals(tx, report)) };
  }
  const { exhausted, refusals } = await countOwn(tx, report);
  if (refusals.length > 0) await keepRefusals(tx, report, refusals);
  return { exhausted, receipt: receiptOf(true, refusals) };
}

/** The key decides: of the same report at the same time one goes on, and the others wait for its commit. */
async function isFirst(tx: Transaction, { serverId, bootId, sequence }: Report): Promise<boolean> {
  const inserted = await tx.$executeRaw`
    INSERT INTO traffic_reports (server_id, boot_id, sequence)
    VALUES (${serverId}::uuid, ${bootId}::uuid, ${sequence}) ON CONFLICT DO NOTHING`;
  return inserted === 1;
}

async function countOwn(
  tx: Transaction,
  { serverId, entries }: Report,
): Promise<Pick<Counted, 'exhausted'> & { refusals: TrafficRefusal[] }> {
  const sound = entries.filter((entry) => !faultOf(entry));
  const own = await findOwnEntries(tx, { serverId, entries: sound });
  const { exhausted, overflowing } = await countTraffic(
    tx,
    sound.filter(({ index }) => own.has(index)),
  );
  const refusals = entries.flatMap((entry) => {
    const fault = faultOf(entry) ?? (own.has(entry.index) ? null : 'FOREIGN');
    if (fault) return refuse(entry, fault);
    return overflowing.has(entry.subscriptionId.toLowerCase()) ? refuse(entry, 'OVERFLOW') : [];
  });
  return { exhausted, refusals };
}

async function keepRefusals(
  tx: Transaction,
  { serverId, bootId, sequence }: Report,
  refusals: readonly TrafficRefusal[],
): Promise<void> {
  await tx.$executeRaw`
    UPDATE traffic_reports SET refusals = ${JSON.stringify(refusals)}::jsonb
    WHERE server_id = ${serverId}::uuid AND boot_id = ${bootId}::uuid AND sequence = ${sequence}`;
}

async function readRefusals(
  tx: Transaction,
  { serverId, bootId, sequence }: Report,
): Promise<TrafficRefusal[]> {
  const report = await tx.trafficReport.findUnique({
    where: { serverId_bootId_sequence: { serverId, bootId, sequence } },
    select: { refusals: true },
  });
  return (report?.refusals ?? []) as unknown as TrafficRefusal[];
}

function receiptOf(applied: boolean, refusals: TrafficRefusal[]): TrafficReceipt {
  return { applied, refusals, refused: [...new Set(refusals.map(({ subscriptionId }) => subscriptionId))] };
}
