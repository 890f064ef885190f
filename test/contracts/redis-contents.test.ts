import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorker } from '../../src/worker.ts';
import {
  AddEmailDocument,
  ChangeEmailDocument,
  CreateLinkCodeDocument,
  CreateRedemptionCodesDocument,
  DeviceLoginDocument,
  LoginDocument,
  OrderDocument,
  PreviewRedemptionDocument,
  RedeemCodeDocument,
  RedemptionCodesDocument,
  RefreshSessionDocument,
  RegisterDocument,
} from '../generated/graphql.ts';
import { newSecret, startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { buildPlan, unique } from '../support/factories.ts';
import { eventually } from '../support/redeeming.ts';
import { type RedisProcess, startRedisProcess } from '../support/redis-process.ts';

let api: TestApi;
let worker: ReturnType<typeof startWorker>;
let server: RedisProcess;
let monitor: Redis;
const commands: string[] = [];
beforeAll(async () => {
  // Limits by address are shared by all that use one Redis.
  server = await startRedisProcess();
  monitor = await new Redis(server.url).monitor();
  monitor.on('monitor', (_time: string, args: string[]) => commands.push(args.join(' ')));
  api = await startTestApi({ rateLimits: true, redisUrl: server.url });
  worker = startWorker(api.services, { BATCH_SIZE: 128 });
});
afterAll(async () => {
  await worker?.stop();
  await api?.close();
  monitor?.disconnect();
  await server?.remove();
});

const PASSWORD = 'a password that nobody has seen 7f3e';

/** Logs in by e-mail, correctly and not, and changes the address. */
async function useEmails(user: TestUser): Promise<string[]> {
  const [first, second, third] = [unique('first'), unique('second'), unique('third')].map(
    (name) => `${name}@example.test`,
  ) as [string, string, string];
  await user.get(AddEmailDocument, { input: { email: first, password: PASSWORD } });
  await api.anonymous.ask(LoginDocument, { input: { email: first, password: `${PASSWORD} wrong` } });
  await user.get(ChangeEmailDocument, { input: { email: second, password: PASSWORD } });
  const { login } = await api.anonymous.get(LoginDocument, { input: { email: second, password: PASSWORD } });
  await api.anonymous.get(RegisterDocument, { input: { email: third, password: PASSWORD } });
  return [first, second, third, PASSWORD, login.accessToken, login.refreshToken];
}

/** Creates, imports, previews and redeems codes, and enters wrong ones. */
async function useCodes(user: TestUser, admin: TestUser): Promise<string[]> {
  const { id: planId } = await buildPlan(api.services.db);
  const [imported, wrong] = ['Q7XW3MKB9TNRD4HC', 'ZYXWVTSRQPNMKJHG'];
  const batch = { planId, unitTime: 'MONTH' as const, quantity: 1 };
  await admin.get(CreateRedemptionCodesDocument, { input: { ...batch, codes: [imported] } });
  await admin.get(CreateRedemptionCodesDocument, { input: { ...batch, count: 3 } });
  const { redemptionCodes } = await admin.get(RedemptionCodesDocument, { first: 4 });
  const codes = redemptionCodes?.nodes.map(({ code }) => code) ?? [];
  expect(codes).toHaveLength(4);
  await user.ask(RedeemCodeDocument, { input: { code: wrong } });
  for (const code of codes) {
    await user.get(PreviewRedemptionDocument, { code });
    const { redeemCode } = await user.get(RedeemCodeDocument, { input: { code } });
    await eventually(
      async () => (await user.get(OrderDocument, { id: redeemCode.id })).order?.status === 'FINISHED',
    );
  }
  return [wrong, ...codes, ...codes.map((code) => code.replaceAll('-', ''))];
}

/** Logs in by a device, and binds another one with a link code. */
async function useDevices(user: TestUser): Promise<string[]> {
  const { createLinkCode } = await user.get(CreateLinkCodeDocument, {});
  const [identifier, secret] = [unique('device'), newSecret()];
  const { code } = createLinkCode;
  await api.anonymous.get(DeviceLoginDocument, { input: { identifier, secret, linkCode: code } });
  const { refreshSession } = await api.anonymous.get(RefreshSessionDocument, {
    refreshToken: user.refreshToken,
  });
  const { accessToken, refreshToken } = refreshSession;
  return [identifier, secret, code, code.replaceAll('-', ''), accessToken, refreshToken, user.secret];
}

describe('Redis', () => {
  it('gets no code, e-mail address, password, token or device secret in plaintext', async () => {
    const [user, admin] = [await api.newUser(), await api.newAdmin()];

    const secrets = [
      ...(await useEmails(user)),
      ...(await useCodes(user, admin)),
      ...(await useDevices(user)),
      admin.identifier,
    ];
    await api.services.redis.set('redis-contents-test', 'last command', 'EX', 10);
    await eventually(async () => commands.some((command) => command.includes('redis-contents-test')));

    const sent = commands.join('\n').toLowerCase();
    expect(sent).toContain(user.userId);
    expect(sent).toContain('redemption_lock:');
    expect(secrets.filter((secret) => sent.includes(secret.toLowerCase()))).toEqual([]);
  }, 60_000);
});
