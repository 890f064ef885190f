import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { newCode } from '../../../support/codes.ts';
import { inDays } from '../../../support/factories.ts';
import { checkInvariants } from '../../../support/invariants.ts';
import { type Redeeming, startRedeeming } from '../../../support/redeeming.ts';

// Many tests rely on checkInvariants, so prove that it detects violations.

const open: Redeeming[] = [];
let r: Redeeming;
let orderId: string;
beforeEach(async () => {
  r = await startRedeeming();
  open.push(r);
  const userId = await r.user();
  const order = await r.redeem(userId, (await newCode(r.services, { batch: { unitTime: 'DAY' } })).code);
  await r.activate(order);
  orderId = order.id;
});
afterAll(() => Promise.all(open.map((redeeming) => redeeming.close())));

const sql = (statement: string) => r.services.db.$executeRawUnsafe(statement);

describe('checkInvariants', () => {
  it('returns nothing if all invariants hold', async () => {
    expect(await checkInvariants(r.services.db)).toEqual([]);
  });

  it.each([
    ['used_count of a code equals its number of redemptions', `UPDATE redemption_codes SET used_count = 0`],
    [
      'reserved_count of a code equals its number of PAID orders',
      `UPDATE redemption_codes SET max_uses = 2, reserved_count = 1`,
    ],
    ['exactly the FINISHED orders have a redemption', `DELETE FROM redemptions`],
    [
      'the duration of a subscription equals',
      `UPDATE user_subscriptions SET expires_at = expires_at + interval '1 day'`,
    ],
    ['the duration of a subscription equals', `UPDATE user_subscriptions SET expires_at = starts_at`],
    ['a user has at most quota subscriptions of a plan', `UPDATE plans SET quota = 0`],
    [
      'used_count plus reserved_count of a code is at most max_uses',
      `ALTER TABLE redemption_codes DROP CONSTRAINT redemption_codes_within_max_uses_check;
       UPDATE redemption_codes SET reserved_count = 1`,
    ],
  ])('detects a violation of "%s"', async (name, statements) => {
    for (const statement of statements.split(';')) await sql(statement);

    expect(await checkInvariants(r.services.db)).toContainEqual(expect.stringContaining(name));
  });

  it('detects an order that stays PAID', async () => {
    const order = await r.redeem(await r.user(), (await newCode(r.services)).code);
    await r.services.db.order.update({ where: { id: order.id }, data: { createdAt: inDays(-1) } });

    expect(await checkInvariants(r.services.db)).toEqual([
      `no order is PAID for longer than 60 seconds: ${order.id}`,
    ]);
  });

  it('detects two new orders of one user', async () => {
    const { redeemedById } = await r.order({ id: orderId });
    const second = await r.redeem(redeemedById, (await newCode(r.services)).code);
    await sql('DROP INDEX orders_one_new_key');
    await r.services.db.order.update({ where: { id: second.id }, data: { isNew: true } });

    expect(await checkInvariants(r.services.db)).toEqual([
      `exactly one counted order of a user is new, or none if an earlier account of theirs had one: ${redeemedById}`,
    ]);
  });
});
