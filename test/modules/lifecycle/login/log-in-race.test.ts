import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../../../src/modules/identity/credentials/password.ts';
import { lockUsers } from '../../../../src/modules/kernel/locks.ts';
import { logIn } from '../../../../src/modules/lifecycle/login/log-in.ts';
import { pollUntil } from '../../../../src/platform/concurrency/poll-until.ts';
import { countWaiting } from '../../../support/blocked-work.ts';
import { buildIdentity, buildUser, unique } from '../../../support/factories.ts';
import { createTestServices, type TestServices } from '../../../support/services.ts';

let services: TestServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

describe('logIn', () => {
  it('starts no session when the password changes between its check and the lock', async () => {
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
        () => 'logged in',
        (error: unknown) => error,
      );
      await pollUntil(async () => (await countWaiting(db)) > 0, 4_000);
      await tx.identity.update({
        where: { id: identity.id },
        data: { passwordHash: await hashPassword('a new one for today') },
      });
    });

    expect(await login).toMatchObject({ code: 'INVALID_CREDENTIALS' });
    expect(await db.session.count({ where: { userId } })).toBe(0);
  });
});
