import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UserCaller } from '../../../../src/modules/kernel/caller.ts';
import { lockUsers } from '../../../../src/modules/kernel/locks.ts';
import { closeAccount } from '../../../../src/modules/lifecycle/account/close-account.ts';
import { deleteAccount } from '../../../../src/modules/lifecycle/account/delete-account.ts';
import { deleteUser } from '../../../../src/modules/lifecycle/account/delete-user.ts';
import { deleteDevice, unbindDevice } from '../../../../src/modules/lifecycle/binding/unbind-device.ts';
import { addEmail } from '../../../../src/modules/lifecycle/login/add-email.ts';
import { changeEmail } from '../../../../src/modules/lifecycle/login/change-email.ts';
import { logInDevice } from '../../../../src/modules/lifecycle/login/log-in-device.ts';
import { register } from '../../../../src/modules/lifecycle/login/register.ts';
import { setUserEmail } from '../../../../src/modules/lifecycle/login/set-user-email.ts';
import { previewRedemption } from '../../../../src/modules/redemption/accept/preview-redemption.ts';
import { createSecrets } from '../../../../src/platform/keys/secrets.ts';
import { newCode } from '../../../support/codes.ts';
import {
  buildCaller,
  buildDevice,
  buildPlan,
  buildSubscription,
  buildUser,
  buildWrongGuess,
  inDays,
  unique,
} from '../../../support/factories.ts';
import { checkInvariants } from '../../../support/invariants.ts';
import { type App, everyRow, joiningWith } from '../../../support/joining.ts';
import { type Redeeming, refusalOf, startRedeeming } from '../../../support/redeeming.ts';
import { TEST_SECRET_KEY } from '../../../support/services.ts';

const PASSWORD = 'correct horse battery staple';

let r: Redeeming;
let services: Redeeming['services'];
let j: ReturnType<typeof joiningWith>;
let adminId: string;
let trial: Parameters<typeof site>[0];
beforeAll(async () => {
  r = await startRedeeming();
  services = r.services;
  j = joiningWith(services);
  adminId = (await buildUser(services.db, { traits: ['admin'] })).id;
  const { id: trialPlanId } = await buildPlan(services.db, { trafficLimit: 1_000n, deviceLimit: 1 });
  trial = { trialPlanId, trialUnitTime: 'DAY', trialQuantity: 7 };
  await site(trial);
});
afterAll(async () => {
  expect(await checkInvariants(services.db)).toEqual([]);
  await r.close();
});

const site = (data: Parameters<typeof services.db.siteSettings.update>[0]['data']) =>
  services.db.siteSettings.update({ where: { id: 1 }, data });
const callerOf = (userId: string): UserCaller => ({
  ...{ kind: 'user', role: 'USER', userId, sessionId: '', deviceId: null },
});
const subscriptionsOf = (userId: string) => services.db.userSubscription.findMany({ where: { userId } });
const stopSubscriptionsOf = (userId: string) =>
  services.db.userSubscription.updateMany({ where: { userId }, data: { status: 'STOPPED' } });
const newAddress = () => `${unique('user')}@example.test`;
const registerAs = (email: string) => register(services, { email, password: PASSWORD });
const logInAgain = ({ identifier, secret }: App) => j.logIn({ identifier, secret });

interface EmailAccount {
  userId: string;
  email: string;
}

async function changeOwnEmail({ userId }: EmailAccount, email = newAddress()): Promise<unknown> {
  const caller = await buildCaller(services.db, { userId });
  return changeEmail(services, { caller, input: { email, password: PASSWORD } });
}

/** Redeems a new code with many uses, and makes 40 wrong guesses. */
async function useUp(userId: string): Promise<{ code: string; planId: string }> {
  const { id: planId } = await buildPlan(services.db, { quota: 1, deviceLimit: 1 });
  const { code } = await newCode(services, { batch: { planId }, code: { maxUses: null } });
  await r.activate(await r.redeem(userId, code));
  await buildWrongGuess(services.db, { userId, count: 40 });
  return { code, planId };
}

/** Expects that an account continues what `useUp` has begun in an earlier one. */
async function expectContinued(userId: string, { code, planId }: { code: string; planId: string }) {
  expect(await subscriptionsOf(userId)).toEqual([]);
  const refusals = [
    await refusalOf(r.redeem(userId, code)),
    await refusalOf(previewRedemption(services, { userId, typed: code })),
  ];
  expect(refusals.map(({ code, details }) => ({ code, details }))).toEqual([
    { code: 'CODE_ALREADY_REDEEMED', details: {} },
    { code: 'CODE_ALREADY_REDEEMED', details: {} },
  ]);
  expect(await services.db.wrongGuess.findMany({ where: { userId } })).toMatchObject([{ count: 40 }]);
  const samePlan = await newCode(services, { batch: { planId } });
  expect((await refusalOf(r.redeem(userId, samePlan.code))).code).toBe('QUOTA_EXCEEDED');
  const fresh = await newCode(services);
  expect((await previewRedemption(services, { userId, typed: fresh.code })).isNew).toBe(false);
}

describe('a device that returns with a new account', () => {
  it('gets a trial, its codes and its guesses at first', async () => {
    const app = await j.newApp();

    expect(await subscriptionsOf(app.userId)).toMatchObject([{ isTrial: true }]);
    await expect(useUp(app.userId)).resolves.toBeDefined();
  });

  it.each<[string, (app: App) => Promise<unknown>]>([
    ['was deleted by its owner', ({ userId }) => deleteAccount(services, { userId })],
    ['was deleted by an admin', ({ userId }) => deleteUser(services, { actorId: adminId, id: userId })],
    [
      'ended when its last device was unbound',
      async ({ userId, deviceId: id }) => {
        await stopSubscriptionsOf(userId);
        await unbindDevice(services, { caller: callerOf(userId), id, rotateCredentials: false });
      },
    ],
    [
      'goes on without the device, which was unbound',
      async ({ userId, deviceId: id }) => {
        await buildDevice(services.db, { userId });
        await unbindDevice(services, { caller: callerOf(userId), id, rotateCredentials: false });
      },
    ],
    [
      'goes on without the device, which an admin has deleted',
      async ({ userId, deviceId: id }) => {
        await buildDevice(services.db, { userId });
        await deleteDevice(services, { actorId: adminId, id });
      },
    ],
    [
      'goes on without the device, which another one has replaced',
      async ({ userId, deviceId: replaceDeviceId }) => {
        await buildDevice(services.db, { userId });
        await site({ deviceLimit: 2 });
        const { identifier, secret } = await j.newApp();
        await j.joinWithConfirmations({ identifier, secret }, userId, { replaceDeviceId });
        await site({ deviceLimit: 5 });
      },
    ],
    [
      'was merged into another one, which was deleted',
      async (app) => {
        const owner = await j.newApp();
        await j.joinWithConfirmations(app, owner.userId);
        await deleteAccount(services, owner);
      },
    ],
    [
      'goes on without the device, which moved to another one and was unbound there',
      async (app) => {
        const owner = await j.newApp();
        await buildDevice(services.db, { userId: app.userId });
        await j.joinWithConfirmations(app, owner.userId);
        const caller = callerOf(owner.userId);
        await unbindDevice(services, { caller, id: app.deviceId, rotateCredentials: false });
      },
    ],
  ])('continues where its last account stopped, if that %s', async (_, leave) => {
    const app = await j.newApp();
    const used = await useUp(app.userId);

    await leave(app);
    const { user } = await logInAgain(app);

    expect(user.id).not.toBe(app.userId);
    await expectContinued(user.id, used);
  });

  it('continues also after several accounts, and with codes of each', async () => {
    const app = await j.newApp();
    const first = await useUp(app.userId);
    await deleteAccount(services, app);
    const second = await logInAgain(app);
    const { id: planId } = await buildPlan(services.db, { quota: 1 });
    const { code } = await newCode(services, { batch: { planId }, code: { maxUses: null } });
    await r.activate(await r.redeem(second.user.id, code));
    await deleteAccount(services, { userId: second.user.id });

    const { user } = await logInAgain(app);

    await expectContinued(user.id, first);
    await expectContinued(user.id, { code, planId });
  });

  it('gets a trial if none of its accounts had one', async () => {
    const settings = await services.db.siteSettings.findUniqueOrThrow({ where: { id: 1 } });
    const { trialPlanId, trialUnitTime, trialQuantity } = settings;
    await site({ trialPlanId: null, trialUnitTime: null, trialQuantity: null });
    const app = await j.newApp();
    await site({ trialPlanId, trialUnitTime, trialQuantity });
    await deleteAccount(services, app);

    const { user } = await logInAgain(app);

    expect(await subscriptionsOf(user.id)).toMatchObject([{ isTrial: true }]);
  });

  it.each([
    ['a trial', { isTrial: true }],
    ['an extended trial', { trialEndsAt: inDays(3) }],
  ])('gets no trial after an account of an older version that had %s', async (_, trial) => {
    const app = await j.newApp();
    await services.db.userSubscription.deleteMany({ where: { userId: app.userId } });
    await services.db.user.update({ where: { id: app.userId }, data: { hadTrial: false } });
    await buildSubscription(services.db, { userId: app.userId, ...trial });
    await deleteAccount(services, app);

    const { user } = await logInAgain(app);

    expect(await subscriptionsOf(user.id)).toEqual([]);
  });

  it('may redeem a code whose order failed because its last account was closed', async () => {
    const app = await j.newApp();
    const { code } = await newCode(services);
    const order = await r.redeem(app.userId, code);
    await deleteAccount(services, app);

    const { user } = await logInAgain(app);

    expect(await r.order(order)).toMatchObject({ status: 'FAILED' });
    expect(await r.redeem(user.id, code)).toMatchObject({ status: 'PAID', isNew: true });
    await services.db.order.updateMany({
      where: { userId: user.id },
      data: { status: 'CLOSED', nextAttemptAt: null, finishedAt: new Date(), isNew: false },
    });
    await services.db.redemptionCode.updateMany({ data: { reservedCount: 0 } });
  });

  it('is recognized after SECRET_KEY has changed', async () => {
    const app = await j.newApp();
    const used = await useUp(app.userId);
    await deleteAccount(services, app);
    const roots = {
      secretKey: 'another secret of the tests: 0123456789',
      previousSecretKey: TEST_SECRET_KEY,
    };
    const rotated = { ...services, secrets: createSecrets(roots) };

    const { user } = await logInDevice(rotated, { identifier: app.identifier, secret: app.secret });

    await expectContinued(user.id, used);
  });
});

describe('an e-mail address that returns with a new account', () => {
  it('continues where its last account stopped, whatever its case', async () => {
    const email = newAddress();
    const { user: first } = await registerAs(email);
    expect(await subscriptionsOf(first.id)).toMatchObject([{ isTrial: true }]);
    const used = await useUp(first.id);
    await deleteAccount(services, { userId: first.id });

    const { user } = await registerAs(email.toUpperCase());

    expect(user.id).not.toBe(first.id);
    await expectContinued(user.id, used);
  });

  it('continues also when it was added to an account, and is added to another one', async () => {
    const [app, other] = [await j.newApp(), await j.newApp()];
    const email = newAddress();
    await addEmail(services, {
      caller: await buildCaller(services.db, { userId: app.userId }),
      input: { email, password: PASSWORD },
    });
    const { code } = await useUp(app.userId);
    await deleteAccount(services, app);

    await addEmail(services, {
      caller: await buildCaller(services.db, { userId: other.userId }),
      input: { email, password: PASSWORD },
    });

    expect((await refusalOf(r.redeem(other.userId, code))).code).toBe('CODE_ALREADY_REDEEMED');
  });

  it('passes its history on to the devices of the account', async () => {
    const [app, email] = [await j.newApp(), newAddress()];
    const { user } = await registerAs(email);
    const used = await useUp(user.id);
    await deleteAccount(services, { userId: user.id });
    await addEmail(services, {
      caller: await buildCaller(services.db, { userId: app.userId }),
      input: { email, password: PASSWORD },
    });
    await deleteAccount(services, app);

    const returned = await logInAgain(app);

    await expectContinued(returned.user.id, used);
  });

  it.each<[string, (account: EmailAccount) => Promise<unknown>]>([
    ['its owner', (account) => changeOwnEmail(account)],
    [
      'an admin',
      ({ userId }) => setUserEmail(services, { actorId: adminId, id: userId, email: newAddress() }),
    ],
  ])('continues where the account stopped that had it before %s changed it', async (_, change) => {
    const email = newAddress();
    const { user: first } = await registerAs(email);
    const used = await useUp(first.id);
    await change({ userId: first.id, email });

    const { user } = await registerAs(email);

    expect(user.id).not.toBe(first.id);
    await expectContinued(user.id, used);
  });

  it.each<[string, (account: EmailAccount, email: string) => Promise<unknown>]>([
    ['its owner', changeOwnEmail],
    ['an admin', ({ userId }, email) => setUserEmail(services, { actorId: adminId, id: userId, email })],
  ])('brings its history along when %s gives it to another account', async (_, change) => {
    const [email, own] = [newAddress(), newAddress()];
    const { user: first } = await registerAs(email);
    const { code } = await useUp(first.id);
    await deleteAccount(services, { userId: first.id });
    await site({ trialQuantity: null, trialPlanId: null, trialUnitTime: null });
    const { user } = await registerAs(own).finally(() => site(trial));

    await change({ userId: user.id, email: own }, email);

    expect((await refusalOf(r.redeem(user.id, code))).code).toBe('CODE_ALREADY_REDEEMED');
    expect(await services.db.user.findUniqueOrThrow({ where: { id: user.id } })).toMatchObject({
      hadTrial: true,
    });
    expect(await services.db.wrongGuess.findMany({ where: { userId: user.id } })).toMatchObject([
      { count: 40 },
    ]);
  });

  it('gets no second trial if it registers while its account is being deleted', async () => {
    const email = newAddress();
    const { user } = await registerAs(email);
    const used = await useUp(user.id);
    let registering: ReturnType<typeof registerAs> | undefined;

    await services.db.$transaction(async (tx) => {
      await lockUsers(tx, [user.id]);
      await closeAccount(tx, services.secrets, user.id);
      registering = registerAs(email);
      registering.catch(() => {});
      await j.waitingForLocks(1);
    });
    const returned = await registering;

    expect(returned?.user.id).not.toBe(user.id);
    await expectContinued(returned?.user.id ?? '', used);
  });
});

describe('a device that joins an account', () => {
  it('fails an order of the account for a code that the device has redeemed, and releases the use', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    const { id, code } = await newCode(services, { code: { maxUses: 2 } });
    await r.activate(await r.redeem(app.userId, code));
    await deleteAccount(services, app);
    const order = await r.redeem(owner.userId, code);

    await j.join(app, owner.userId);
    await r.activate(order);

    expect(await r.order(order)).toMatchObject({ status: 'FAILED', failureCode: 'CODE_ALREADY_REDEEMED' });
    expect(await r.uses(id)).toEqual({ usedCount: 1, reservedCount: 0 });
  });

  it('brings along the orders of its account in a merge, which are activated', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    const { id, code } = await newCode(services, { code: { maxUses: 2 } });
    const order = await r.redeem(app.userId, code);

    await j.joinWithConfirmations(app, owner.userId);
    await r.activate(order);

    expect(await r.order(order)).toMatchObject({ status: 'FINISHED', userId: owner.userId });
    expect(await r.uses(id)).toEqual({ usedCount: 1, reservedCount: 0 });
    expect(await refusalOf(r.redeem(owner.userId, code))).toMatchObject({
      code: 'CODE_ALREADY_REDEEMED',
      details: { orderId: order.id },
    });
  });

  it('keeps the larger number of wrong guesses, so that moving it back and forth adds none', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    await buildWrongGuess(services.db, { userId: app.userId, count: 60 });
    await buildWrongGuess(services.db, { userId: owner.userId, count: 50 });
    const unbind = async () => {
      const { id } = await services.db.device.findFirstOrThrow({
        where: { identity: { value: app.identifier } },
      });
      await unbindDevice(services, { caller: callerOf(owner.userId), id, rotateCredentials: false });
    };

    await j.joinWithConfirmations(app, owner.userId);
    for (let round = 0; round < 3; round++) {
      await unbind();
      await j.join(app, owner.userId);
    }

    expect(await services.db.wrongGuess.findMany({ where: { userId: owner.userId } })).toMatchObject([
      { count: 60 },
    ]);
  });
});

describe('the history', () => {
  it('contains neither identifiers nor addresses', async () => {
    const [app, email] = [await j.newApp(), newAddress()];
    await addEmail(services, {
      caller: await buildCaller(services.db, { userId: app.userId }),
      input: { email, password: PASSWORD },
    });

    await deleteAccount(services, app);

    const rows = Object.values(await everyRow(services)).join('\n');
    for (const value of [app.identifier, email]) {
      expect(rows).not.toContain(value);
      expect(rows).not.toContain(Buffer.from(value).toString('hex'));
    }
  });

  it('differs with the secret key, so that it cannot be searched without it', async () => {
    const app = await j.newApp();
    const used = await useUp(app.userId);
    await deleteAccount(services, app);
    const secrets = createSecrets({ secretKey: 'a key that somebody guesses: 0123456789' });

    const { user } = await logInDevice(
      { ...services, secrets },
      { identifier: app.identifier, secret: app.secret },
    );

    expect(await subscriptionsOf(user.id)).toHaveLength(1);
    expect((await previewRedemption(services, { userId: user.id, typed: used.code })).isNew).toBe(true);
  });

  it('is written wherever identities are deleted', () => {
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.ts') && !file.startsWith('generated/'),
    );
    const deleting = files.filter((file) =>
      /identity\.delete|DELETE FROM identities/.test(readFileSync(`src/${file}`, 'utf8')),
    );

    expect(deleting).toEqual(['modules/identity/history/remove-identities.ts']);
  });
});
