import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
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
  (await api.anonymous.get(PendingBindingDocument, { token: token ?? '' })).pendingBinding;
const many = <T>(count: number, make: (turn: number) => T) =>
  Array.from({ length: count }, (_, turn) => make(turn));

/** An account with that many devices, the first of which is a real one. */
async function accountWith(devices: number): Promise<App> {
  const app = await j.newApp();
  for (let made = 1; made < devices; made += 1) await buildDevice(services.db, { userId: app.userId });
  return app;
}
const addEmailTo = ({ userId }: Pick<App, 'userId'>) =>
  services.db.identity.create({
    data: { userId, type: 'EMAIL', value: `${unique('user')}@example.test`, passwordHash: '$argon2id$none' },
  });
/** Everything but what asks for decisions. */
const rowsBeside = async () => ({
  ...(await everyRow(services)),
  pending_bindings: '',
  link_codes: '',
  audit_entries: '',
});

describe('the device limit', () => {
  it.each<[string, number | null, (number | null)[], number | null]>([
    ['is the site’s', 2, [], 2],
    ['is that of a live plan where this is larger', 2, [3], 3],
    ['is the site’s where this is larger', 3, [1], 3],
    ['is the largest of all live plans', 1, [2, 3, 1], 3],
    ['is none where a live plan has none', 1, [2, null], null],
    ['is none where the site has none, whatever the plans say', null, [1], null],
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
    ['is over', { expiresAt: inDays(-1), startsAt: inDays(-2) }],
    ['was stopped', { status: 'STOPPED' as const }],
    ['belongs to somebody else', { userId: undefined }],
  ])('does not count a plan that %s', async (_, overrides) => {
    await setLimit(1);
    const app = await accountWith(1);
    const { id: planId } = await buildPlan(services.db, { deviceLimit: null });
    const owner = 'userId' in overrides ? {} : { userId: app.userId };
    await buildSubscription(services.db, { ...owner, planId, ...overrides } as never);

    expect((await refusalOf(j.join(newInstallation(), app.userId))).code).toBe('DEVICE_LIMIT_REACHED');
  });

  it('counts a plan whose traffic is used up', async () => {
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

  it('lets one of ten racing devices have the last place', async () => {
    const app = await accountWith(4);
    const linkCodes = await Promise.all(many(10, () => j.linkCode(app.userId)));

    const counts = await tally(linkCodes.map((linkCode) => j.logIn({ ...newInstallation(), linkCode })));

    expect(counts).toEqual({ OK: 1, DEVICE_LIMIT_REACHED: 9 });
    expect(await services.db.device.count({ where: { userId: app.userId } })).toBe(5);
  });

  it('does not keep its own devices out, be they too many', async () => {
    const app = await accountWith(4);
    await setLimit(2);

    expect((await j.logIn({ identifier: app.identifier, secret: app.secret })).user.id).toBe(app.userId);
    expect((await j.join({ ...app, secret: newSecret() }, app.userId)).device?.id).toBe(app.deviceId);
  });
});

describe('DEVICE_LIMIT_REACHED', () => {
  it('shows limit and devices behind its token, and finishes with the one to be replaced', async () => {
    await setLimit(2);
    const owner = await api.newUser();
    const second = await api.newUser();
    await j.joinAnyhow(second, owner.userId);
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

  it('ends session and sockets of the device that is replaced, and nobody else’s', async () => {
    await setLimit(2);
    const [owner, replaced] = [await api.newUser(), await api.newUser()];
    const login = await j.joinAnyhow(replaced, owner.userId);
    replaced.token = login.accessToken;
    const sockets = { owner: watch(owner), replaced: watch(replaced) };
    await Promise.all(Object.values(sockets).map(({ first }) => first));

    const replaceDeviceId = login.device?.id;
    await j.joinAnyhow(newInstallation(), owner.userId, { replaceDeviceId });

    await expect(sockets.replaced.end).rejects.toMatchObject({ code: 4401, reason: 'SESSION_REVOKED' });
    expect((await replaced.refused(ViewerDocument)).extensions.code).toBe('UNAUTHENTICATED');
    expect((await owner.get(ViewerDocument)).viewer?.devices.totalCount).toBe(2);
    expect(sockets.owner.isOpen()).toBe(true);
    await sockets.owner.stop();
    expect(await services.db.session.count({ where: { userId: owner.userId, revokedAt: null } })).toBe(2);
    // The device that was replaced is nobody's: its next login makes it an account of its own.
    expect(await j.ownerOf(replaced)).toBeUndefined();
  });

  it.each<[string, (app: App) => Promise<string>]>([
    ['of another account', async () => (await j.newApp()).deviceId],
    ['that is none', async () => '01890000-0000-7000-8000-000000000000'],
    ['that is no id', async () => 'no id'],
  ])('finds no device %s, and keeps the token for another choice', async (_, replaceDeviceId) => {
    await setLimit(1);
    const app = await accountWith(1);
    const [installation, linkCode] = [newInstallation(), await j.linkCode(app.userId)];
    const { details } = await refusalOf(j.logIn({ ...installation, linkCode }));
    const { confirmationToken } = details;
    const wrong = await replaceDeviceId(app);
    const before = await everyRow(services);
    const say = (id: string) =>
      j.logIn({ ...installation, linkCode, confirmationToken, replaceDeviceId: id });

    expect((await refusalOf(say(wrong))).code).toBe('NOT_FOUND');

    expect(await everyRow(services)).toEqual(before);
    expect((await say(app.deviceId)).user.id).toBe(app.userId);
  });

  it('comes again, with another token, where no device is chosen', async () => {
    await setLimit(1);
    const app = await accountWith(1);
    const [installation, linkCode] = [newInstallation(), await j.linkCode(app.userId)];
    const { details } = await refusalOf(j.logIn({ ...installation, linkCode }));

    const again = await refusalOf(j.logIn({ ...installation, linkCode, ...details }));

    expect(again.code).toBe('DEVICE_LIMIT_REACHED');
    expect(again.details.confirmationToken).not.toBe(details.confirmationToken);
  });

  it('replaces nothing without its token', async () => {
    await setLimit(1);
    const app = await accountWith(1);

    const refusal = await refusalOf(j.join(newInstallation(), app.userId, { replaceDeviceId: app.deviceId }));

    expect(refusal.code).toBe('DEVICE_LIMIT_REACHED');
    expect(await j.devicesOf(app.userId)).toEqual([app.deviceId]);
  });

  it('comes again for a token that was given for another new device', async () => {
    await setLimit(1);
    const app = await accountWith(1);
    const { details } = await refusalOf(j.join(newInstallation(), app.userId));

    const again = await refusalOf(
      j.join(newInstallation(), app.userId, { ...details, replaceDeviceId: app.deviceId }),
    );

    expect(again.code).toBe('DEVICE_LIMIT_REACHED');
    expect(await j.devicesOf(app.userId)).toEqual([app.deviceId]);
  });

  it('does not put a device in its own place', async () => {
    await setLimit(1);
    const [app, owner] = [await j.newApp(), await j.newApp()];

    const refusal = await refusalOf(j.joinAnyhow(app, owner.userId, { replaceDeviceId: app.deviceId }));

    expect(refusal.code).toBe('NOT_FOUND');
    expect(await j.ownerOf(app)).toBe(app.userId);
  });

  it('puts one device in the place of another, also where there are too many already', async () => {
    const app = await accountWith(4);
    await setLimit(2);

    await j.joinAnyhow(newInstallation(), app.userId, { replaceDeviceId: app.deviceId });

    const devices = await j.devicesOf(app.userId);
    expect(devices).toHaveLength(4);
    expect(devices).not.toContain(app.deviceId);
  });

  it('lets one of ten that race with tokens replace a device', async () => {
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

  it('of one token lets one of ten calls have its way', async () => {
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
  it('comes without a change, and shows behind its token what would move and become what', async () => {
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
    const before = await rowsBeside();

    const { extensions } = await api.anonymous.refused(DeviceLoginDocument, { input });

    expect(await rowsBeside()).toEqual(before);
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
    const foretold = Date.parse(String(pending?.moves[0]?.expiresAt));
    expect(Math.abs(Number(joined.expiresAt) - foretold)).toBeLessThan(3_000);
  });

  it('shows that nothing would move where the old account keeps another way in', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    await addEmailTo(app);
    await buildSubscription(services.db, { userId: app.userId });

    const { details } = await refusalOf(j.join(app, owner.userId));

    expect((await pendingBinding(details.confirmationToken))?.moves).toEqual([]);
  });

  it('and DEVICE_LIMIT_REACHED are decided one after the other', async () => {
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

  it('needs the device’s own proof: a link code of one’s own account is none', async () => {
    const [victim, attacker] = [await j.newApp(), await j.newApp()];
    await buildSubscription(services.db, { userId: victim.userId });
    const { identifier } = victim;
    const linkCode = await j.linkCode(attacker.userId);
    const before = await rowsBeside();

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
    expect(await rowsBeside()).toEqual(before);
    const audited = { action: 'deviceProofRefused', targetId: victim.deviceId };
    expect(await services.db.auditEntry.count({ where: audited })).toBe(1);
    expect((await j.logIn({ identifier, secret: victim.secret })).user.id).toBe(victim.userId);
  });

  it('needs it again beside the token', async () => {
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

  it.each(['device', 'account'] as const)('does not move where the %s is disabled', async (what) => {
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
      'too old',
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
      'given for another device',
      async (_, owner) =>
        (await refusalOf(j.join(await j.newApp(), owner.userId))).details.confirmationToken ?? '',
    ],
    [
      'given for another account',
      async (app) =>
        (await refusalOf(j.join(app, (await j.newApp()).userId))).details.confirmationToken ?? '',
    ],
    [
      'given about the account that had the device before',
      async (app, _, token) => {
        const { userId } = await j.newApp();
        await j.joinAnyhow(app, userId);
        app.userId = userId;
        return token;
      },
    ],
    ['made up', async () => newSecret()],
    ['empty', async () => ''],
  ])('comes again, with another token, for one that is %s', async (_, tokenOf) => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    const { details } = await refusalOf(j.join(app, owner.userId));
    const confirmationToken = await tokenOf(app, owner, details.confirmationToken ?? '');

    const again = await refusalOf(j.join(app, owner.userId, { confirmationToken }));

    expect(again.code).toBe('DEVICE_BOUND_ELSEWHERE');
    expect(again.details.confirmationToken).not.toBe(confirmationToken);
    expect(await j.ownerOf(app)).toBe(app.userId);
    expect((await j.join(app, owner.userId, again.details)).user.id).toBe(owner.userId);
  });

  it('can be decided for five minutes', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];

    await refusalOf(j.join(app, owner.userId));

    const { expiresAt, createdAt } = await services.db.pendingBinding.findFirstOrThrow({
      where: { userId: owner.userId },
    });
    expect(Number(expiresAt) - Number(createdAt)).toBeCloseTo(300_000, -3);
  });

  it('takes a device away from an account with another way in, which keeps everything else', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    const other = await buildDevice(services.db, { userId: app.userId });
    await buildSubscription(services.db, { userId: app.userId });
    const stay = await buildDeviceStay(services.db, { userId: app.userId, deviceId: app.deviceId });
    const mine = () => services.db.userSubscription.findMany({ where: { userId: app.userId } });
    const before = await mine();

    const login = await j.joinAnyhow(app, owner.userId);

    expect(login).toMatchObject({ user: { id: owner.userId }, device: { id: app.deviceId } });
    expect(await j.user(app.userId)).toMatchObject({ deletedAt: null, mergedIntoId: null });
    expect(await j.devicesOf(app.userId)).toEqual([other.id]);
    expect(before).toHaveLength(1);
    expect(await mine()).toEqual(before);
    expect(await services.db.deviceStay.findUnique({ where: { id: stay.id } })).toMatchObject({
      userId: app.userId,
      endedAt: expect.any(Date),
    });
    const entries = { targetId: app.deviceId, action: 'moveDevice' };
    expect(await services.db.auditEntry.findMany({ where: entries })).toMatchObject([
      { actorId: owner.userId, before: { userId: app.userId }, after: { userId: owner.userId } },
    ]);
  });

  it('ends the session of the device, and its stay with the account that it leaves; no other session', async () => {
    const [app, owner] = [await api.newUser(), await j.newApp()];
    await addEmailTo(app);
    const elsewhere = await services.db.session.create({
      data: { userId: app.userId, refreshSeed: Buffer.alloc(32), expiresAt: inDays(1) },
    });
    const socket = watch(app);
    await socket.first;
    await eventually(async () => (await services.db.deviceStay.count({ where: { userId: app.userId } })) > 0);

    await j.joinAnyhow(app, owner.userId);

    await expect(socket.end).rejects.toMatchObject({ code: 4401, reason: 'SESSION_REVOKED' });
    expect((await app.refused(ViewerDocument)).extensions.code).toBe('UNAUTHENTICATED');
    const { revokedAt } = await services.db.session.findUniqueOrThrow({ where: { id: elsewhere.id } });
    expect(revokedAt).toBeNull();
    const stays = await services.db.deviceStay.findMany({ where: { userId: app.userId } });
    expect(stays).toMatchObject([{ endedAt: expect.any(Date) }]);
  });
});

describe('pendingBinding', () => {
  it('shows nothing for a token that is made up, used or too old', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    const { details } = await refusalOf(j.join(app, owner.userId));
    const used = details.confirmationToken ?? '';
    await j.join(app, owner.userId, details);
    const { details: later } = await refusalOf(j.join(await j.newApp(), owner.userId));
    await services.db.pendingBinding.updateMany({ where: { usedAt: null }, data: { expiresAt: new Date() } });

    for (const token of [used, later.confirmationToken ?? '', newSecret(), '']) {
      const { extensions } = await api.anonymous.refused(PendingBindingDocument, { token });
      expect(extensions.code).toBe('NOT_FOUND');
    }
  });

  it('shows no token in the database', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];

    const { details } = await refusalOf(j.join(app, owner.userId));

    expect(Object.values(await everyRow(services)).join()).not.toContain(details.confirmationToken);
  });
});

describe('bindDevice in a race', () => {
  it('binds the wrong account’s device to nobody: it is asked to come again', async () => {
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

  it('resumes no device that was moved or removed while it waited: it is asked to come again', async () => {
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

/** A socket that watches its account. */
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
