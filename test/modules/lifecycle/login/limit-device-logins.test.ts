import { randomInt, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refreshSession } from '../../../../src/modules/identity/session/refresh-session.ts';
import { logInDevice } from '../../../../src/modules/lifecycle/login/log-in-device.ts';
import { inRequestScope } from '../../../../src/platform/request-scope.ts';
import { newSecret } from '../../../support/api.ts';
import { buildServer } from '../../../support/factories.ts';
import { type Input, joiningWith, newInstallation } from '../../../support/joining.ts';
import { newKey, prove } from '../../../support/prove.ts';
import { refusalOf, tally } from '../../../support/redeeming.ts';
import { createTestServices, type TestServices } from '../../../support/services.ts';

const OWN_SERVER = '198.51.100.9';

let services: TestServices;
beforeAll(async () => {
  services = await createTestServices({ rateLimits: true });
  // Addresses of servers are read again only every 30 s.
  await buildServer(services.db, { address: OWN_SERVER });
});
afterAll(() => services.close());

/** An address from which no test has logged in. */
const newAddress = () =>
  `${Array.from({ length: 4 }, () => randomInt(0x1000, 0xffff).toString(16)).join(':')}::1`;
const from = <Result>(ip: string, work: () => Promise<Result>) =>
  inRequestScope({ requestId: randomUUID(), ip, userAgent: null }, work);
const logIn = (device: Input, ip = newAddress()) => from(ip, () => logInDevice(services, device));
const many = <Result>(count: number, make: () => Result) => Array.from({ length: count }, make);

describe('logInDevice of one device', () => {
  it('succeeds thirty times in ten minutes, concurrently and from any address', async () => {
    const device = newInstallation();
    const { device: registered } = await logIn(device);

    const rounds: Record<string, number>[] = [];
    for (let round = 0; round < 5; round++) rounds.push(await tally(many(8, () => logIn(device))));

    expect(rounds.map(({ OK = 0 }) => OK)).toEqual([8, 8, 8, 6, 0]);
    expect(rounds.slice(3)).toEqual([{ OK: 6, RATE_LIMITED: 2 }, { RATE_LIMITED: 8 }]);
    const refusal = await refusalOf(logIn(device));
    expect(refusal.details.retryAfterSeconds).toBeGreaterThan(500);
    expect(refusal.details.retryAfterSeconds).toBeLessThanOrEqual(600);
    const deviceId = registered?.id ?? '';
    expect(await services.db.session.count({ where: { deviceId, revokedAt: null } })).toBe(1);
    await expect(logIn(newInstallation())).resolves.toBeDefined();
  });

  it('is limited with a key, too', async () => {
    const [key, { identifier }] = [await newKey(), newInstallation()];
    const device = async (): Promise<Input> => {
      const proof = await prove(services, key, identifier);
      return { identifier, publicKey: key.publicKey, proof };
    };
    await logIn(await device());

    for (let login = 0; login < 30; login++) await logIn(await device());

    expect((await refusalOf(logIn(await device()))).code).toBe('RATE_LIMITED');
  });

  it('is not used up by clients that know only its identifier', async () => {
    const device = newInstallation();
    await logIn(device);

    const guesses = many(40, () => logIn({ ...device, secret: newSecret() }));

    expect(await tally(guesses)).toEqual({ DEVICE_PROOF_INVALID: 40 });
    await expect(logIn(device)).resolves.toBeDefined();
  });

  it('adds no rows of sessions', async () => {
    const device = newInstallation();
    const { user } = await logIn(device);
    const logins: Awaited<ReturnType<typeof logIn>>[] = [];

    for (let login = 0; login < 10; login++) logins.push(await logIn(device));

    expect(await services.db.session.count({ where: { userId: user.id } })).toBe(2);
    const refresh = (back: number) => refreshSession(services, logins.at(-back)?.refreshToken ?? '');
    expect((await refusalOf(refresh(3))).code).toBe('UNAUTHENTICATED');
    expect((await refusalOf(refresh(2))).code).toBe('SESSION_REVOKED');
    expect((await refresh(1)).user.id).toBe(user.id);
  });
});

describe('logInDevice from one address', () => {
  it('succeeds 600 times in ten minutes, whatever the device and the outcome', async () => {
    const ip = newAddress();
    const device = newInstallation();
    await logIn(device);
    const bare = { identifier: device.identifier };

    const counts = await tally(many(601, () => logIn(bare, ip)));

    expect(counts).toEqual({ DEVICE_PROOF_REQUIRED: 600, RATE_LIMITED: 1 });
    expect((await refusalOf(logIn(device, ip))).code).toBe('RATE_LIMITED');
    await expect(logIn(device)).resolves.toBeDefined();
  });

  it('is not limited for the addresses of our own servers', async () => {
    const device = newInstallation();
    await logIn(device);
    const bare = { identifier: device.identifier };

    const counts = await tally(many(601, () => logIn(bare, OWN_SERVER)));

    expect(counts).toEqual({ DEVICE_PROOF_REQUIRED: 601 });
  });
});

describe('logInDevice with a link code that needs confirmation', () => {
  it('gets sixty tokens per hour and account, and keeps no more rows', async () => {
    const [device, owner] = [newInstallation(), newInstallation()];
    await logIn(device);
    const { user } = await logIn(owner);
    const linkCode = await joiningWith(services).linkCode(user.id);

    const counts = await tally(many(61, () => logIn({ ...device, linkCode })));

    expect(counts).toEqual({ DEVICE_BOUND_ELSEWHERE: 60, RATE_LIMITED: 1 });
    expect(await services.db.pendingBinding.count({ where: { userId: user.id } })).toBe(60);
  });
});
