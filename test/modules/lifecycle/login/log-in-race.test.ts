import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../../../src/modules/identity/credentials/password.ts';
import { lockUsers } from '../../../../src/modules/kernel/locks.ts';
import { logIn } from '../../../../src/modules/lifecycle/login/log-in.ts';
import { buildIdentity, buildUser, unique } from '../../../support/factories.ts';
import { createTestServices, type TestServices } from '../../../support/services.ts';

let services: TestServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

/** Logins that have been let through to the user's row, and wait there for its lock. */
async function waitingLogins(): Promise<number> {
  const [{ count }] = await services.db.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int AS count FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return count;
}

describe('logIn', () => {
  it('starts no session with a password that is changed while it is checked', async () => {
    const { db } = services;
    const { id: userId } = await buildUser(db);
    const [email, password] = [`${unique('me')}@example.test`, 'the password of yesterday'];
    const identity = await buildIdentity(db, {
      userId,
      type: 'EMAIL',
      value: email,
      passwordHash: await hashPassword(password),
    });

    let login: Promise<unknown> = Promise.resolve();
    await db.$transaction(async (tx) => {
      await lockUsers(tx, [userId]);
      login = logIn(services, { email, password }).then(
        () => 'let in',
        (error: unknown) => error,
      );
      for (let waited = 0; (await waitingLogins()) === 0 && waited < 4_000; waited += 20) await sleep(20);
      await tx.identity.update({
        where: { id: identity.id },
        data: { passwordHash: await hashPassword('a new one for today') },
      });
    });

    expect(await login).toMatchObject({ code: 'INVALID_CREDENTIALS' });
    expect(await db.session.count({ where: { userId } })).toBe(0);
  });
});
