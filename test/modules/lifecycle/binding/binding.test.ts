import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DomainError } from '../../../../src/platform/errors.ts';
import { required } from '../../../../src/platform/required.ts';
import {
  CreateLinkCodeDocument,
  DeviceLoginDocument,
  PendingBindingDocument,
  ViewerChangedDocument,
  ViewerDocument,
} from '../../../generated/graphql.ts';
import { newSecret, startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import {
  buildDevice,
  buildDeviceStay,
  buildPlan,
  buildSubscription,
  inDays,
  unique,
} from '../../../support/factories.ts';
import { type App, everyRow, joiningWith, newInstallation } from '../../../support/joining.ts';
import { eventually, refusalOf, tally } from '../../../support/redeeming.ts';
import type { TestServices } from '../../../support/services.ts';

let api: TestApi;
let services: TestServices;
let j: ReturnType<typeof joiningWith>;
beforeAll(async () => {
  api = await startTestApi();
  services = api.services;
  j = joiningWith(services);
});
afterAll(() => api.close());
afterEach(() => setLimit(5));

const setLimit = (deviceLimit: number | null) =>
  services.db.siteSettings.update({ where: { id: 1 }, data: { deviceLimit } });
const pendingBinding = async (token: string | undefined) =>
  (await api.anonymous.get(PendingBindingDocument, { token: required(token, 'confirmation token') }))
    .pendingBinding;
const tokenIn = ({ details }: Pick<DomainError, 'details'>) =>
  required(details.confirmationToken, 'confirmation token');
const many = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));

/** An account with `devices` devices, of which only the first can log in. */
async function accountWith(devices: number): Promise<App> {
  const app = await j.newApp();
  for (let made = 1; made < devices; made += 1) await buildDevice(services.db, { userId: app.userId });
  return app;
}
const addEmailTo = ({ userId }: Pick<App, 'userId'>) =>
  services.db.identity.create({
    data: { userId, type: 'EMAIL', value: `${unique('user')}@example.test`, passwordHash: '$argon2id$none' },
  });
/** All rows except those that asking for confirmation may add. */
const rowsExceptConfirmations = async () => ({
  ...(await everyRow(services)),
  pending_bindings: '',
  link_codes: '',
  audit_entries: '',
});

describe('device limit', () => {
  it.each<[string, number | null, (number | null)[], number | null]>([
    ['equals the limit of the site without a plan', 2, [], 2],
    ['equals the limit of a live plan when that is larger', 2, [3], 3],
    ['equals the limit of the site when that is larger', 3, [1], 3],
    ['equals the largest limit of all live plans', 1, [2, 3, 1], 3],
    ['is unlimited when a live plan is unlimited', 1, [2, null], null],
    ['is unlimited when the site is unlimited, whatever the plans allow', null, [1], null],
  ])('%s', async (_, ofSite, ofPlans, expected) => {
    await setLimit(ofSite);
    const app = await accountWith(1);
    for (const deviceLimit of ofPlans) {
      const { id: planId } = await buildPlan(services.db, { deviceLimit });
      await buildSubscription(services.db, { userId: app.userId, planId });
    }
    const most = expected ?? 6;
    for (let bound = 1; bound < most; bound += 1) await j.join(newInstallation(), app.userId);

    const sixth = await j.join(newInstallation(), app.userId).catch((error: unknown) => error);

    if (expected === null) expect(sixth).toMatchObject({ user: { id: app.userId } });
    else expect(sixth).toMatchObject({ code: 'DEVICE_LIMIT_REACHED' });
  });

  it.each([
    ['has expired', { expiresAt: inDays(-1), startsAt: inDays(-2) }],
    ['was stopped', { status: 'STOPPED' as const }],
    ['belongs to another user', { userId: undefined }],
  ])('ignores a subscription that %s', async (_, overrides) => {
    await setLimit(1);
    const app = await accountWith(1);
    const { id: planId } = await buildPlan(services.db, { deviceLimit: null });
    const owner = 'userId' in overrides ? {} : { userId: app.userId };
    await buildSubscription(services.db, { ...owner, planId, ...overrides } as never);

    expect((await refusalOf(j.join(newInstallation(), app.userId))).code).toBe('DEVICE_LIMIT_REACHED');
  });

  it('includes a subscription whose traffic is exhausted', async () => {
    await setLimit(1);
    const app = await accountWith(1);
    const { id: planId } = await buildPlan(services.db, { deviceLimit: 2 });
    await buildSubscription(services.db, {
      userId: app.userId,
      planId,
      status: 'EXHAUSTED',
      trafficLimit: 1n,
    });

    expect((await j.join(newInstallation(), app.userId)).user.id).toBe(app.userId);
  });

  it('admits exactly one of ten concurrent devices to the last free slot', async () => {
    const app = await accountWith(4);
    const linkCodes = await Promise.all(many(10, () => j.linkCode(app.userId)));

    const counts = await tally(linkCodes.map((linkCode) => j.logIn({ ...newInstallation(), linkCode })));

    expect(counts).toEqual({ OK: 1, DEVICE_LIMIT_REACHED: 9 });
    expect(await services.db.device.count({ where: { userId: app.userId } })).toBe(5);
  });

  it('does not lock out bound devices when the limit is lowered', async () => {
    const app = await accountWith(4);
    await setLimit(2);

    expect((await j.logIn({ identifier: app.identifier, secret: app.secret })).user.id).toBe(app.userId);
    expect((await j.join({ ...app, secret: newSecret() }, app.userId)).device?.id).toBe(app.deviceId);
  });
});

describe('DEVICE_LIMIT_REACHED', () => {
  it('carries a token that returns the limit and the devices, and confirms the replacement of one', async () => {
    await setLimit(2);
    const owner = await api.newUser();
    const second = await api.newUser();
    await j.joinWithConfirmations(second, owner.userId);
    const [firstId, secondId] = await j.devicesOf(owner.userId);
    const { createLinkCode } = await owner.get(CreateLinkCodeDocument);
    const input = { ...newInstallation(), linkCode: createLinkCode.code };

    const { extensions } = await api.anonymous.refused(DeviceLoginDocument, { input });

    expect(extensions).toEqual({
      code: 'DEVICE_LIMIT_REACHED',
      requestId: expect.any(String),
      retryable: false,
      confirmationToken: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
    });
    const confirmationToken = String(extensions.confirmationToken);
    const pending = await pendingBinding(confirmationToken);
    expect(pending).toMatchObject({ deviceLimit: 2, moves: [] });
    expect(pending?.devices.map(({ id }) => id)).toEqual([secondId, firstId]);
    const { deviceLogin } = await api.anonymous.get(DeviceLoginDocument, {
      input: { ...input, confirmationToken, replaceDeviceId: secondId },
    });
    expect(await j.devicesOf(owner.userId)).toEqual([firstId, deviceLogin.device?.id]);
    expect(deviceLogin.user.id).toBe(owner.userId);
  });

  it('revokes the session and closes the sockets of the replaced device only', async () => {
    await setLimit(2);
    const [owner, replaced] = [await api.newUser(), await api.newUser()];
    const login = await j.joinWithConfirmations(replaced, owner.userId);
    replaced.token = login.accessToken;
    const sockets = { owner: watch(owner), replaced: watch(replaced) };
    await Promise.all(Object.values(sockets).map(({ first }) => first));

    const replaceDeviceId = login.device?.id;
    await j.joinWithConfirmations(newInstallation(), owner.userId, { replaceDeviceId });

    await expect(sockets.replaced.end).rejects.toMatchObject({ code: 4401, reason: 'SESSION_REVOKED' });
    expect((await replaced.refused(ViewerDocument)).extensions.code).toBe('UNAUTHENTICATED');
    expect((await owner.get(ViewerDocument)).viewer?.devices.totalCount).toBe(2);
    expect(sockets.owner.isOpen()).toBe(true);
    await sockets.owner.stop();
    const live = { userId: owner.userId, revokedAt: null, deviceId: { not: null } };
    expect(await services.db.session.count({ where: live })).toBe(2);
    // The replaced device belongs to no account: its next login creates one.
    expect(await j.ownerOf(replaced)).toBeUndefined();
  });

  it.each<[string, (app: App) => Promise<string>]>([
    ['a device of another account', async () => (await j.newApp()).deviceId],
    ['a missing device', async () => '01890000-0000-7000-8000-000000000000'],
    ['a malformed id', async () => 'no id'],
  ])(
    'fails with NOT_FOUND for %s as the replaced device, and keeps the token valid',
    async (_, replaceDeviceId) => {
      await setLimit(1);
      const app = await accountWith(1);
      const [installation, linkCode] = [newInstallation(), await j.linkCode(app.userId)];
      const { details } = await refusalOf(j.logIn({ ...installation, linkCode }));
      const { confirmationToken } = details;
      const wrong = await replaceDeviceId(app);
      const before = await everyRow(services);
      const replace = (id: string) =>
        j.logIn({ ...installation, linkCode, confirmationToken, replaceDeviceId: id });

      expect((await refusalOf(replace(wrong))).code).toBe('NOT_FOUND');

      expect(await everyRow(services)).toEqual(before);
      expect((await replace(app.deviceId)).user.id).toBe(app.userId);
    },
  );

  it('is returned again with a new token when no device is chosen', async () => {
    await setLimit(1);
    const app = await accountWith(1);
    const [installation, linkCode] = [newInstallation(), await j.linkCode(app.userId)];
    const { details } = await refusalOf(j.logIn({ ...installation, linkCode }));

    const again = await refusalOf(j.logIn({ ...installation, linkCode, ...details }));

    expect(again.code).toBe('DEVICE_LIMIT_REACHED');
    expect(again.details.confirmationToken).not.toBe(details.confirmationToken);
  });

  it('replaces no device without its token', async () => {
    await setLimit(1);
    const app = await accountWith(1);

    const refusal = await refusalOf(j.join(newInstallation(), app.userId, { replaceDeviceId: app.deviceId }));

    expect(refusal.code).toBe('DEVICE_LIMIT_REACHED');
    expect(await j.devicesOf(app.userId)).toEqual([app.deviceId]);
  });

  it('is returned again for a token that was issued to another new device', async () => {
    await setLimit(1);
    const app = await accountWith(1);
    const { details } = await refusalOf(j.join(newInstallation(), app.userId));

    const again = await refusalOf(
      j.join(newInstallation(), app.userId, { ...details, replaceDeviceId: app.deviceId }),
    );

    expect(again.code).toBe('DEVICE_LIMIT_REACHED');
    expect(await j.devicesOf(app.userId)).toEqual([app.deviceId]);
  });

  it('does not let a device replace itself', async () => {
    await setLimit(1);
    const [app, owner] = [await j.newApp(), await j.newApp()];

    const refusal = await refusalOf(
      j.joinWithConfirmations(app, owner.userId, { replaceDeviceId: app.deviceId }),
    );

    expect(refusal.code).toBe('NOT_FOUND');
    expect(await j.ownerOf(app)).toBe(app.userId);
  });

  it('allows a replacement even when the account is over its limit', async () => {
    const app = await accountWith(4);
    await setLimit(2);

    await j.joinWithConfirmations(newInstallation(), app.userId, { replaceDeviceId: app.deviceId });

    const devices = await j.devicesOf(app.userId);
    expect(devices).toHaveLength(4);
    expect(devices).not.toContain(app.deviceId);
  });

  it('lets exactly one of ten concurrent callers with tokens replace a device', async () => {
    await setLimit(2);
    const app = await accountWith(2);
    const callers = await Promise.all(
      many(10, async () => {
        const input = { ...newInstallation(), linkCode: await j.linkCode(app.userId) };
        const { details } = await refusalOf(j.logIn(input));
        return { ...input, ...details, replaceDeviceId: app.deviceId };
      }),
    );

    const counts = await tally(callers.map(j.logIn));

    expect(counts).toEqual({ OK: 1, NOT_FOUND: 9 });
    expect(await services.db.device.count({ where: { userId: app.userId } })).toBe(2);
  });

  it('accepts a confirmation token in exactly one of ten concurrent calls', async () => {
    await setLimit(3);
    const app = await accountWith(3);
    const installation = newInstallation();
    const { details } = await refusalOf(j.join(installation, app.userId));
    const linkCodes = await Promise.all(many(10, () => j.linkCode(app.userId)));

    await tally(
      linkCodes.map((linkCode) =>
        j.logIn({ ...installation, linkCode, ...details, replaceDeviceId: app.deviceId }),
      ),
    );

    expect(await services.db.device.count({ where: { userId: app.userId } })).toBe(3);
    const spent = await services.db.pendingBinding.count({
      where: { userId: app.userId, usedAt: { not: null } },
    });
    expect(spent).toBe(1);
  });
});

describe('DEVICE_BOUND_ELSEWHERE', () => {
  it('changes nothing, and carries a token that returns the resulting subscriptions', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    const plan = await buildPlan(services.db, { trafficLimit: 100n, deviceLimit: 5 });
    const of = (userId: string, days: number) =>
      buildSubscription(services.db, {
        userId,
        planId: plan.id,
        expiresAt: inDays(days),
        trafficLimit: 100n,
      });
    const moving = await of(app.userId, 30);
    await of(owner.userId, 12);
    const unlimited = await buildSubscription(services.db, { userId: app.userId, expiresAt: null });
    await buildSubscription(services.db, { userId: app.userId, isTrial: true });
    const input = {
      identifier: app.identifier,
      secret: app.secret,
      linkCode: await j.linkCode(owner.userId),
    };
    const before = await rowsExceptConfirmations();

    const { extensions } = await api.anonymous.refused(DeviceLoginDocument, { input });

    expect(await rowsExceptConfirmations()).toEqual(before);
    expect(extensions.code).toBe('DEVICE_BOUND_ELSEWHERE');
    const pending = await pendingBinding(String(extensions.confirmationToken));
    expect(pending).toMatchObject({
      deviceLimit: 5,
      devices: [{ id: owner.deviceId }],
      moves: [
        { subscription: { id: moving.id, plan: { id: plan.id } }, trafficLimit: '200' },
        { subscription: { id: unlimited.id }, expiresAt: null, trafficLimit: null },
      ],
    });
    expect(Date.parse(String(pending?.moves[0]?.expiresAt)) - inDays(42).getTime()).toBeLessThan(1_000);
    await j.logIn({ ...input, confirmationToken: String(extensions.confirmationToken) });
    const joined = await services.db.userSubscription.findFirstOrThrow({
      where: { userId: owner.userId, planId: plan.id, status: 'ACTIVE' },
    });
    const previewed = Date.parse(String(pending?.moves[0]?.expiresAt));
    expect(Math.abs(Number(joined.expiresAt) - previewed)).toBeLessThan(3_000);
  });

  it('reports no moves when the old account keeps another identity', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    await addEmailTo(app);
    await buildSubscription(services.db, { userId: app.userId });

    const { details } = await refusalOf(j.join(app, owner.userId));

    expect((await pendingBinding(details.confirmationToken))?.moves).toEqual([]);
  });

  it('is confirmed before DEVICE_LIMIT_REACHED when both apply', async () => {
    await setLimit(1);
    const [app, owner] = [await j.newApp(), await j.newApp()];
    const input = {
      identifier: app.identifier,
      secret: app.secret,
      linkCode: await j.linkCode(owner.userId),
    };

    const first = await refusalOf(j.logIn(input));
    const second = await refusalOf(j.logIn({ ...input, ...first.details, replaceDeviceId: owner.deviceId }));

    expect([first.code, second.code]).toEqual(['DEVICE_BOUND_ELSEWHERE', 'DEVICE_LIMIT_REACHED']);
    expect(await j.ownerOf(app)).toBe(app.userId);
    const login = await j.logIn({ ...input, ...second.details, replaceDeviceId: owner.deviceId });
    expect(login.user.id).toBe(owner.userId);
    expect(await j.devicesOf(owner.userId)).toEqual([app.deviceId]);
  });

  it('requires the proof of the device in addition to a link code of the target account', async () => {
    const [victim, attacker] = [await j.newApp(), await j.newApp()];
    await buildSubscription(services.db, { userId: victim.userId });
    const { identifier } = victim;
    const linkCode = await j.linkCode(attacker.userId);
    const before = await rowsExceptConfirmations();

    const bare = await refusalOf(j.logIn({ identifier, linkCode }));
    const forged = await refusalOf(j.logIn({ identifier, secret: attacker.secret, linkCode }));
    await services.db.siteSettings.update({ where: { id: 1 }, data: { deviceLoginProof: 'OPTIONAL' } });
    const optional = await refusalOf(j.logIn({ identifier, linkCode }));
    await services.db.siteSettings.update({ where: { id: 1 }, data: { deviceLoginProof: 'REQUIRED' } });

    expect([bare, forged, optional].map(({ code, details }) => ({ code, details }))).toEqual([
      { code: 'DEVICE_PROOF_REQUIRED', details: {} },
      { code: 'DEVICE_PROOF_INVALID', details: {} },
      { code: 'DEVICE_PROOF_REQUIRED', details: {} },
    ]);
    expect(await rowsExceptConfirmations()).toEqual(before);
    const audited = { action: 'deviceProofRefused', targetId: victim.deviceId };
    expect(await services.db.auditEntry.count({ where: audited })).toBe(1);
    expect((await j.logIn({ identifier, secret: victim.secret })).user.id).toBe(victim.userId);
  });

  it('requires the proof of the device again together with the token', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    const { details } = await refusalOf(j.join(app, owner.userId));

    const { identifier } = app;
    const linkCode = await j.linkCode(owner.userId);
    const codes = [
      await refusalOf(j.logIn({ identifier, linkCode, ...details })),
      await refusalOf(j.logIn({ identifier, secret: newSecret(), linkCode, ...details })),
    ].map(({ code }) => code);

    expect(codes).toEqual(['DEVICE_PROOF_REQUIRED', 'DEVICE_PROOF_INVALID']);
    expect(await j.ownerOf(app)).toBe(app.userId);
  });

  it.each(['device', 'account'] as const)('does not move a device when the %s is disabled', async (what) => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    const { details } = await refusalOf(j.join(app, owner.userId));
    if (what === 'device') {
      await services.db.device.update({ where: { id: app.deviceId }, data: { enabled: false } });
    } else await services.db.user.update({ where: { id: app.userId }, data: { enabled: false } });

    const refusals = [
      await refusalOf(j.join(app, owner.userId)),
      await refusalOf(j.join(app, owner.userId, details)),
    ];

    const expected = what === 'device' ? 'DEVICE_DISABLED' : 'ACCOUNT_DISABLED';
    expect(refusals.map(({ code }) => code)).toEqual([expected, expected]);
    expect(await j.ownerOf(app)).toBe(app.userId);
  });

  it.each<[string, (app: App, owner: App, token: string) => Promise<string>]>([
    [
      'expired',
      async (_, owner, token) => {
        await services.db.pendingBinding.updateMany({
          where: { userId: owner.userId },
          data: { expiresAt: new Date() },
        });
        return token;
      },
    ],
    [
      'used',
      async (_, owner, token) => {
        await services.db.pendingBinding.updateMany({
          where: { userId: owner.userId },
          data: { usedAt: new Date() },
        });
        return token;
      },
    ],
    [
      'issued for another device',
      async (_, owner) => tokenIn(await refusalOf(j.join(await j.newApp(), owner.userId))),
    ],
    [
      'issued for another account',
      async (app) => tokenIn(await refusalOf(j.join(app, (await j.newApp()).userId))),
    ],
    [
      'issued for the previous owner of the device',
      async (app, _, token) => {
        const { userId } = await j.newApp();
        await j.joinWithConfirmations(app, userId);
        app.userId = userId;
        return token;
      },
    ],
    ['unknown', async () => newSecret()],
    ['empty', async () => ''],
  ])('is returned again with a new token for one that is %s', async (_, tokenOf) => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    const { details } = await refusalOf(j.join(app, owner.userId));
    const confirmationToken = await tokenOf(app, owner, tokenIn({ details }));

    const again = await refusalOf(j.join(app, owner.userId, { confirmationToken }));

    expect(again.code).toBe('DEVICE_BOUND_ELSEWHERE');
    expect(again.details.confirmationToken).not.toBe(confirmationToken);
    expect(await j.ownerOf(app)).toBe(app.userId);
    expect((await j.join(app, owner.userId, again.details)).user.id).toBe(owner.userId);
  });

  it('issues a token that expires after five minutes', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];

    await refusalOf(j.join(app, owner.userId));

    const { expiresAt, createdAt } = await services.db.pendingBinding.findFirstOrThrow({
      where: { userId: owner.userId },
    });
    expect(Number(expiresAt) - Number(createdAt)).toBeCloseTo(300_000, -3);
  });

  it('moves only the device when its account keeps another identity', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    const other = await buildDevice(services.db, { userId: app.userId });
    await buildSubscription(services.db, { userId: app.userId });
    const stay = await buildDeviceStay(services.db, { userId: app.userId, deviceId: app.deviceId });
    const ownSubscriptions = () => services.db.userSubscription.findMany({ where: { userId: app.userId } });
    const before = await ownSubscriptions();

    const login = await j.joinWithConfirmations(app, owner.userId);

    expect(login).toMatchObject({ user: { id: owner.userId }, device: { id: app.deviceId } });
    expect(await j.user(app.userId)).toMatchObject({ deletedAt: null, mergedIntoId: null });
    expect(await j.devicesOf(app.userId)).toEqual([other.id]);
    expect(before).toHaveLength(1);
    expect(await ownSubscriptions()).toEqual(before);
    expect(await services.db.deviceStay.findUnique({ where: { id: stay.id } })).toMatchObject({
      userId: app.userId,
      endedAt: expect.any(Date),
    });
    const entries = { targetId: app.deviceId, action: 'moveDevice' };
    expect(await services.db.auditEntry.findMany({ where: entries })).toMatchObject([
      { actorId: owner.userId, before: { userId: app.userId }, after: { userId: owner.userId } },
    ]);
  });

  it('revokes the session and ends the stay of the moved device only', async () => {
    const [app, owner] = [await api.newUser(), await j.newApp()];
    await addEmailTo(app);
    const elsewhere = await services.db.session.create({
      data: { userId: app.userId, refreshSeed: Buffer.alloc(32), expiresAt: inDays(1) },
    });
    const socket = watch(app);
    await socket.first;
    await eventually(async () => (await services.db.deviceStay.count({ where: { userId: app.userId } })) > 0);

    await j.joinWithConfirmations(app, owner.userId);

    await expect(socket.end).rejects.toMatchObject({ code: 4401, reason: 'SESSION_REVOKED' });
    expect((await app.refused(ViewerDocument)).extensions.code).toBe('UNAUTHENTICATED');
    const { revokedAt } = await services.db.session.findUniqueOrThrow({ where: { id: elsewhere.id } });
    expect(revokedAt).toBeNull();
    const stays = await services.db.deviceStay.findMany({ where: { userId: app.userId } });
    expect(stays).toMatchObject([{ endedAt: expect.any(Date) }]);
  });
});

describe('pendingBinding', () => {
  it('lists the newest hundred devices of an account that has more', async () => {
    await setLimit(120);
    const owner = await accountWith(120);

    const { details } = await refusalOf(j.join(await j.newApp(), owner.userId));

    const pending = await pendingBinding(details.confirmationToken);
    const newest = (await j.devicesOf(owner.userId)).reverse().slice(0, 100);
    expect(pending?.devices.map(({ id }) => id)).toEqual(newest);
  });

  it('fails with NOT_FOUND for a token that is unknown, used or expired', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    const { details } = await refusalOf(j.join(app, owner.userId));
    const used = tokenIn({ details });
    await j.join(app, owner.userId, details);
    const { details: later } = await refusalOf(j.join(await j.newApp(), owner.userId));
    await services.db.pendingBinding.updateMany({ where: { usedAt: null }, data: { expiresAt: new Date() } });

    for (const token of [used, tokenIn({ details: later }), newSecret(), '']) {
      const { extensions } = await api.anonymous.refused(PendingBindingDocument, { token });
      expect(extensions.code).toBe('NOT_FOUND');
    }
  });

  it('stores no confirmation token in plaintext', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];

    const { details } = await refusalOf(j.join(app, owner.userId));

    expect(Object.values(await everyRow(services)).join()).not.toContain(details.confirmationToken);
  });
});

describe('logInDevice during a concurrent change', () => {
  it('fails with a retryable error when the device moves to a third account before the lock is granted', async () => {
    const [app, owner, other] = [await j.newApp(), await j.newApp(), await j.newApp()];
    await addEmailTo(app);
    const linkCode = await j.linkCode(owner.userId);
    const { identifier, secret } = app;
    const identity = await services.db.identity.findUniqueOrThrow({
      where: { type_value: { type: 'DEVICE', value: identifier } },
    });
    let late: Promise<unknown> | undefined;

    await services.db.$transaction(async (tx) => {
      await tx.user.update({ where: { id: app.userId }, data: { enabled: true } });
      late = refusalOf(j.logIn({ identifier, secret, linkCode }));
      await j.waitingForLocks(1);
      await tx.identity.update({ where: { id: identity.id }, data: { userId: other.userId } });
    });

    expect(await late).toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    expect(await j.ownerOf(app)).toBe(other.userId);
  });

  it('fails with a retryable error when the device is moved or removed before the lock is granted', async () => {
    for (const isMoved of [true, false]) {
      const [app, other] = [await j.newApp(), await j.newApp()];
      const { identifier, secret } = app;
      const { identityId } = await services.db.device.findUniqueOrThrow({ where: { id: app.deviceId } });
      let late: Promise<unknown> | undefined;

      await services.db.$transaction(async (tx) => {
        await tx.user.update({ where: { id: app.userId }, data: { enabled: true } });
        late = refusalOf(j.logIn({ identifier, secret }));
        await j.waitingForLocks(1);
        if (isMoved) await tx.identity.update({ where: { id: identityId }, data: { userId: other.userId } });
        else await tx.identity.delete({ where: { id: identityId } });
      });

      expect(await late).toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
      const login = await j.logIn({ identifier, secret });
      expect(login.user.id === other.userId).toBe(isMoved);
    }
  });
});

/** A websocket that is subscribed to `viewerChanged`. */
function watch(client: TestUser) {
  const messages = client.subscribe(ViewerChangedDocument);
  let isOpen = true;
  const first = messages.next();
  const drain = async () => {
    await first;
    try {
      for await (const _ of messages);
    } finally {
      isOpen = false;
    }
  };
  const end = drain();
  end.catch(() => {});
  return { first, end, isOpen: () => isOpen, stop: () => messages.return?.() };
}
