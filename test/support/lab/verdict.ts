import { lookupsOf } from '../../../src/modules/redemption/code/code-vault.ts';
import { createSecrets } from '../../../src/platform/keys/secrets.ts';
import { checkInvariants } from '../invariants.ts';
import { TEST_SECRET_KEY } from '../services.ts';
import type { Figure } from './figures.ts';
import { becomesTrue, type Lab } from './lab.ts';
import { type Call, tallyResponses } from './load.ts';

/** Log patterns that must not occur, whichever process was killed. */
const UNCAUGHT = /uncaught error|unhandledRejection|uncaughtException|already a transaction in progress/;

/**
 * Waits until no order is PAID, then compares the responses with the database, and checks the
 * invariants.
 *
 * @param limitMs milliseconds until no order may be PAID
 * @param jobsLimitMs milliseconds after that until the queue must be empty, because jobs complete
 *   shortly after their orders; null if jobs of killed workers may remain, which other workers
 *   recover up to a minute later
 * @returns figures with their bounds
 */
export async function verdict(
  lab: Lab,
  calls: readonly Call[],
  { limitMs = 30_000, jobsLimitMs = 10_000 }: { limitMs?: number; jobsLimitMs?: number | null } = {},
): Promise<Figure[]> {
  const startedAt = performance.now();
  const isSettled = async () => (await lab.db.order.count({ where: { status: 'PAID' } })) === 0;
  await becomesTrue(isSettled, limitMs);
  const settledMs = performance.now() - startedAt;
  const stuck = await lab.db.order.count({ where: { status: 'PAID' } });
  if (jobsLimitMs !== null) await becomesTrue(async () => (await lab.jobs()).length === 0, jobsLimitMs);
  const jobsLeft = jobsLimitMs === null ? [] : await lab.jobs();
  for (const job of jobsLeft) process.stdout.write(`Left in the queue: ${job}\n`);
  // Thousands of rows were inserted since the last statistics.
  await lab.db.$executeRaw`ANALYZE`;
  const [violations, histories] = [await checkInvariants(lab.db), await compare(lab, calls)];
  if (violations.length > 0) throw new Error(violations.join('\n'));
  return [
    { name: 'settled after', value: Math.round(settledMs), unit: 'ms', atMost: limitMs },
    { name: 'orders stuck', value: stuck, exactly: 0 },
    { name: 'violated invariants', value: violations.length, exactly: 0 },
    { name: 'accepted, not activated', value: histories.lost.length, exactly: 0 },
    { name: 'rejected, yet activated', value: histories.unexpected.length, exactly: 0 },
    { name: 'orders FAILED', value: await lab.db.order.count({ where: { status: 'FAILED' } }), exactly: 0 },
    { name: 'internal errors', value: tallyResponses(calls).INTERNAL_SERVER_ERROR ?? 0, exactly: 0 },
    ...(jobsLimitMs === null ? [] : [{ name: 'jobs left in the queue', value: jobsLeft.length, exactly: 0 }]),
    { name: 'keys in Redis without expiry', value: (await lab.keysWithoutExpiry()).length, exactly: 0 },
    { name: 'uncaught errors', value: uncaught(lab), exactly: 0 },
  ];
}

/** Final errors, after which nothing may be granted. */
const FINAL = /^(CODE_|PLAN_|QUOTA_|ACCOUNT_)(?!ALREADY)/;

async function compare(
  { db }: Lab,
  calls: readonly Call[],
): Promise<{ lost: readonly Call[]; unexpected: readonly Call[] }> {
  const secrets = createSecrets({ secretKey: TEST_SECRET_KEY });
  const rows = await db.$queryRaw<{ pair: string }[]>`
    SELECT r.redeemed_by_id || ':' || encode(c.lookup, 'hex') AS pair
    FROM redemptions r JOIN redemption_codes c ON c.id = r.code_id`;
  const redeemed = new Set(rows.map(({ pair }) => pair));
  const isRedeemed = ({ userId, code }: Call) =>
    lookupsOf({ secrets }, code).some((lookup) => redeemed.has(`${userId}:${lookup}`));
  return {
    lost: calls.filter((call) => call.outcome === 'ACCEPTED' && !isRedeemed(call)),
    unexpected: calls.filter((call) => FINAL.test(call.outcome) && isRedeemed(call)),
  };
}

function uncaught({ cluster }: Lab): number {
  return [...cluster.apis, ...cluster.workers].filter(({ output }) => UNCAUGHT.test(output())).length;
}
