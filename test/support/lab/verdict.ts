import { lookupsOf } from '../../../src/modules/redemption/code/code-vault.ts';
import { createSecrets } from '../../../src/platform/keys/secrets.ts';
import { checkInvariants } from '../invariants.ts';
import { TEST_SECRET_KEY } from '../services.ts';
import type { Figure } from './figures.ts';
import { comesTrue, type Lab } from './lab.ts';
import { tallyAnswers, type Wish } from './load.ts';

/** What no log may contain, whatever has died. */
const UNCAUGHT = /uncaught error|unhandledRejection|uncaughtException|already a transaction in progress/;

/**
 * Waits until everything accepted has come to its end, then holds what customers were told against what the database
 * has, and the database against its invariants.
 *
 * @param limitMs how long it may take until nothing is PAID any more
 * @param jobsLimitMs how long after that until the queue is empty: a job ends a little later than its order; null: jobs
 *   of killed workers are in it, which others find up to a minute later
 * @returns figures for the table; each has its bound
 */
export async function verdict(
  lab: Lab,
  wishes: readonly Wish[],
  { limitMs = 30_000, jobsLimitMs = 10_000 }: { limitMs?: number; jobsLimitMs?: number | null } = {},
): Promise<Figure[]> {
  const startedAt = performance.now();
  const isSettled = async () => (await lab.db.order.count({ where: { status: 'PAID' } })) === 0;
  await comesTrue(isSettled, limitMs);
  const settledMs = performance.now() - startedAt;
  const stuck = await lab.db.order.count({ where: { status: 'PAID' } });
  if (jobsLimitMs !== null) await comesTrue(async () => (await lab.jobs()).length === 0, jobsLimitMs);
  const jobsLeft = jobsLimitMs === null ? [] : await lab.jobs();
  for (const job of jobsLeft) process.stdout.write(`Left in the queue: ${job}\n`);
  // Thousands of rows have come since PostgreSQL last looked how many there are.
  await lab.db.$executeRaw`ANALYZE`;
  const [violations, histories] = [await checkInvariants(lab.db), await compare(lab, wishes)];
  if (violations.length > 0) throw new Error(violations.join('\n'));
  return [
    { name: 'settled after', value: Math.round(settledMs), unit: 'ms', atMost: limitMs },
    { name: 'orders stuck', value: stuck, exactly: 0 },
    { name: 'violated invariants', value: violations.length, exactly: 0 },
    { name: 'accepted, not activated', value: histories.lost.length, exactly: 0 },
    { name: 'refused, yet activated', value: histories.unasked.length, exactly: 0 },
    { name: 'orders FAILED', value: await lab.db.order.count({ where: { status: 'FAILED' } }), exactly: 0 },
    { name: 'internal errors', value: tallyAnswers(wishes).INTERNAL_SERVER_ERROR ?? 0, exactly: 0 },
    ...(jobsLimitMs === null ? [] : [{ name: 'jobs left in the queue', value: jobsLeft.length, exactly: 0 }]),
    { name: 'lasting keys in Redis', value: (await lab.lastingKeys()).length, exactly: 0 },
    { name: 'uncaught errors', value: uncaught(lab), exactly: 0 },
  ];
}

/** Refusals that come to an end: nothing may be granted for them. */
const FINAL = /^(CODE_|PLAN_|QUOTA_|ACCOUNT_)(?!ALREADY)/;

async function compare(
  { db }: Lab,
  wishes: readonly Wish[],
): Promise<{ lost: readonly Wish[]; unasked: readonly Wish[] }> {
  const secrets = createSecrets({ secretKey: TEST_SECRET_KEY });
  const rows = await db.$queryRaw<{ pair: string }[]>`
    SELECT r.redeemed_by_id || ':' || encode(c.lookup, 'hex') AS pair
    FROM redemptions r JOIN redemption_codes c ON c.id = r.code_id`;
  const redeemed = new Set(rows.map(({ pair }) => pair));
  const hasRecord = ({ userId, code }: Wish) =>
    lookupsOf({ secrets }, code).some((lookup) => redeemed.has(`${userId}:${lookup}`));
  return {
    lost: wishes.filter((wish) => wish.outcome === 'ACCEPTED' && !hasRecord(wish)),
    unasked: wishes.filter((wish) => FINAL.test(wish.outcome) && hasRecord(wish)),
  };
}

function uncaught({ cluster }: Lab): number {
  return [...cluster.apis, ...cluster.workers].filter(({ output }) => UNCAUGHT.test(output())).length;
}
