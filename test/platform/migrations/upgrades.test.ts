import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { sealCode } from '../../../src/modules/redemption/code/code-vault.ts';
import { createSecrets } from '../../../src/platform/keys/secrets.ts';
import { createDatabaseBefore, type EarlierDatabase } from '../../support/earlier-database.ts';
import { TEST_SECRET_KEY } from '../../support/services.ts';

let database: EarlierDatabase | undefined;
afterEach(async () => {
  await database?.drop();
  database = undefined;
});

const secrets = createSecrets({ secretKey: TEST_SECRET_KEY });

/**
 * Inserts codes of one batch with hints of four characters, and an order of each by a new user.
 *
 * @returns the id of the user
 */
async function insertCodes({ client }: EarlierDatabase, codes: readonly string[]): Promise<string> {
  const [planId, batchId, userId] = [randomUUID(), randomUUID(), randomUUID()];
  await client.query('INSERT INTO plans (id, name) VALUES ($1, $2)', [planId, 'Basic']);
  await client.query('INSERT INTO users (id) VALUES ($1)', [userId]);
  await client.query(
    `INSERT INTO redemption_batches (id, plan_id, unit_time, quantity, max_uses, count, created)
     VALUES ($1, $2, 'MONTH', 1, 1, $3, $3)`,
    [batchId, planId, codes.length],
  );
  for (const code of codes) {
    const { lookup, ciphertext } = sealCode({ secrets }, code);
    const [codeId, hint] = [randomUUID(), code.slice(-4)];
    await client.query(
      `INSERT INTO redemption_codes (id, batch_id, lookup, ciphertext, hint, max_uses, reserved_count)
       VALUES ($1, $2, $3, $4, $5, 1, 1)`,
      [codeId, batchId, lookup, ciphertext, hint],
    );
    await client.query(
      `INSERT INTO orders (id, order_no, redeemed_by_id, user_id, code_id, batch_id, plan_id, unit_time, quantity,
         reset_cycle, code_hint, next_attempt_at)
       VALUES ($1, $2, $3, $3, $4, $5, $6, 'MONTH', 1, 'NEVER', $7, tessera_now())`,
      [randomUUID(), String(Math.random()).slice(2), userId, codeId, batchId, planId, hint],
    );
  }
  return userId;
}

describe('upgrading', () => {
  it('shortens the hints of short codes, in their orders, too', async () => {
    database = await createDatabaseBefore('20261126131000_short_hints');
    await insertCodes(database, [
      'ABC123',
      'ABCD1234',
      'ABCDEFGHJK12345',
      'ABCDEFGH12345678',
      'ABCDEFGHJKMN12345678',
    ]);

    await database.upgrade();

    const { rows } = await database.client.query(
      `SELECT c.hint, o.code_hint AS "ofOrder" FROM redemption_codes c JOIN orders o ON o.code_id = c.id
       ORDER BY octet_length(c.ciphertext)`,
    );
    const hints = ['***3', '**34', '*345', '5678', '5678'];
    expect(rows).toEqual(hints.map((hint) => ({ hint, ofOrder: hint })));
  });

  it('makes subscriptions beyond the year 9999 readable, and leaves one new order to each user', async () => {
    database = await createDatabaseBefore('20261126140000_readable_limits_and_new_orders');
    const { client } = database;
    const codes = ['ABCDEFGH12345671', 'ABCDEFGH12345672', 'ABCDEFGH12345673'];
    const two = await insertCodes(database, codes);
    const none = await insertCodes(
      database,
      codes.map((code) => `${code}X`),
    );
    const merged = await insertCodes(database, ['ABCDEFGH12345674']);
    await client.query(`UPDATE orders SET is_new = true WHERE user_id = $1`, [merged]);
    await client.query(
      'UPDATE orders SET is_new = true WHERE id = (SELECT min(id::text)::uuid FROM orders WHERE user_id = $1)',
      [two],
    );
    // As a merge left them.
    await client.query('UPDATE orders SET user_id = $1 WHERE user_id = $2', [two, merged]);
    await client.query(
      `INSERT INTO user_subscriptions (id, user_id, plan_id, expires_at, token, credential)
       SELECT gen_random_uuid(), $1, id, '11026-11-26Z', 'a token of 32 characters or more, x', gen_random_uuid()
       FROM plans LIMIT 1`,
      [none],
    );

    await database.upgrade();

    const { rows } = await client.query(
      'SELECT user_id, count(*) FILTER (WHERE is_new)::int AS new, count(*)::int FROM orders GROUP BY user_id',
    );
    expect(rows).toHaveLength(2);
    expect(rows).toEqual(
      expect.arrayContaining([
        { user_id: two, new: 1, count: 4 },
        { user_id: none, new: 1, count: 3 },
      ]),
    );
    const ends = await client.query('SELECT expires_at FROM user_subscriptions');
    expect(ends.rows).toEqual([{ expires_at: new Date('9999-12-31T23:59:59.999Z') }]);
  });
});
