import { afterAll, beforeAll, expect, it } from 'vitest';
import { newCode } from '../../../support/codes.ts';
import { buildPlan } from '../../../support/factories.ts';
import { type Redeeming, startRedeeming } from '../../../support/redeeming.ts';
import { statementsOf } from '../../../support/statements.ts';

let r: Redeeming;
beforeAll(async () => {
  r = await startRedeeming();
});
afterAll(() => r?.close());

/** Codes of one plan for users who have a subscription of it, and for users who have none. */
async function requests(count: number) {
  const { id: planId } = await buildPlan(r.services.db);
  const code = async () => (await newCode(r.services, { batch: { planId } })).code;
  const made = [];
  for (let at = 0; at < count; at++) {
    const userId = await r.user();
    if (at % 2 === 0) await r.activate(await r.redeem(userId, await code()));
    made.push({ userId, code: await code(), key: `key ${at}` });
  }
  return made;
}

it('a group of redemptions takes three statements to accept and five to activate', async () => {
  const wanted = await requests(6);

  const accepted = await statementsOf(() =>
    Promise.all(wanted.map(({ userId, code, key }) => r.redeem(userId, code, key))),
  );
  const orders = await r.services.db.order.findMany({ where: { status: 'PAID' } });
  const activated = await statementsOf(() => r.activate(...orders));

  expect(orders).toHaveLength(6);
  const commits = accepted.control.filter((sql) => sql.startsWith('COMMIT')).length;
  const reads = accepted.queries.filter((sql) => sql.includes('AS k(place int')).length;
  expect(commits).toBeLessThanOrEqual(2);
  expect(reads).toBeLessThanOrEqual(2);
  expect(accepted.queries).toHaveLength(3 * commits + reads);
  expect(activated.control.filter((sql) => sql.startsWith('COMMIT'))).toHaveLength(1);
  expect(activated.queries).toHaveLength(5);
});
