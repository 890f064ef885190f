import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lockCodes, lockUsers } from '../../../../src/modules/kernel/locks.ts';
import { mergeAccounts } from '../../../../src/modules/lifecycle/account/merge-accounts.ts';
import { closeOrders } from '../../../../src/modules/redemption/accept/dispatch-orders.ts';
import { retryOrders } from '../../../../src/modules/redemption/accept/retry-orders.ts';
import { failAttempt } from '../../../../src/modules/redemption/activate/fail-attempt.ts';
import { pollUntil } from '../../../../src/platform/concurrency/poll-until.ts';
import { countWaiting, runBlocked } from '../../../support/blocked-work.ts';
import { newCode } from '../../../support/codes.ts';
import { buildPlan } from '../../../support/factories.ts';
import { createGate } from '../../../support/gate.ts';
import { checkInvariants } from '../../../support/invariants.ts';
import { type Redeeming, startRedeeming } from '../../../support/redeeming.ts';

let r: Redeeming;
beforeAll(async () => {
  r = await startRedeeming();
});
afterAll(() => r?.close());

interface Case {
  /** What is done to the only order of the merged account. */
  work: (order: { id: string }) => Promise<unknown>;
  before?: (order: { id: string }) => Promise<unknown>;
}

const fail = ({ id }: { id: string }) => failAttempt(r.services, id);
const cases: [name: string, Case][] = [
  ['closed', { work: ({ id }) => closeOrders(r.services, [id]) }],
  [
    'failed by a bug',
    {
      before: async (order) => {
        for (let attempt = 1; attempt < 5; attempt += 1) await fail(order);
      },
      work: fail,
    },
  ],
  ['activated in vain', { work: (order) => r.activate(order) }],
  [
    'retried',
    {
      before: (order) => r.activate(order),
      work: async ({ id }) => retryOrders(r.services, { actorId: (await r.order({ id })).userId, ids: [id] }),
    },
  ],
];

describe('an order that a merge moves between the locks of its owner and itself', () => {
  it.each(cases)('is %s with its new owner locked', async (_, { before, work }) => {
    const { db } = r.services;
    const [from, into] = [await r.user(), await r.user()];
    const { id: planId } = await buildPlan(db);
    const doomed = await newCode(r.services, { batch: { planId } });
    const order = await r.redeem(from, doomed.code);
    await db.plan.update({ where: { id: planId }, data: { deletedAt: new Date() } });
    await before?.(order);
    const other = await newCode(r.services);

    // The code is the last that each of them locks, so all are held before they commit.
    const [held, release] = [createGate(), createGate()];
    const holding = db.$transaction(async (tx) => {
      await lockCodes(tx, [doomed.id]);
      held.pass();
      await release.passed;
    });
    await held.passed;
    const merging = runBlocked(
      db,
      async (tx) => {
        await lockUsers(tx, [from, into]);
        await mergeAccounts(tx, { fromId: from, intoId: into });
      },
      () => work(order),
    );
    const isMoved = async () => (await r.order(order)).userId === into && (await countWaiting(db)) > 0;
    expect(await pollUntil(isMoved, 4_000)).toBe(true);
    const redeeming = r.redeem(into, other.code);
    await Promise.race([redeeming, pollUntil(async () => (await countWaiting(db)) > 1, 4_000)]);
    release.pass();
    await Promise.all([holding, merging, redeeming]);

    const orders = await db.order.findMany({ where: { userId: into } });
    await r.activate(...orders);
    const newOnes = await db.order.findMany({ where: { userId: into, isNew: true } });
    expect(newOnes).toHaveLength(1);
    expect(await checkInvariants(db)).toEqual([]);
  });
});
