import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { hashPassword } from '../../src/modules/identity/credentials/password.ts';
import { announce } from '../../src/modules/kernel/announce.ts';
import type { RunningServices } from '../../src/platform/services.ts';
import { documents } from '../support/attack/documents.ts';
import { floods } from '../support/attack/floods.ts';
import { guesses } from '../support/attack/guesses.ts';
import { logins } from '../support/attack/logins.ts';
import { stalledReaders } from '../support/attack/readers.ts';
import { retention } from '../support/attack/retention.ts';
import { rootFields } from '../support/attack/root-fields.ts';
import { slow } from '../support/attack/slow.ts';
import { sockets } from '../support/attack/sockets.ts';
import { force, type Outcome, seed, startTarget, type Target } from '../support/attack/target.ts';
import { timing } from '../support/attack/timing.ts';
import { tokens } from '../support/attack/tokens.ts';
import { newCode } from '../support/codes.ts';
import { createTestDatabase } from '../support/database.ts';
import { startRedisDependency } from '../support/dependencies.ts';
import { buildIdentity, unique } from '../support/factories.ts';
import { type LoggedInDevice, newLoggedInDevices } from '../support/going-online.ts';
import { makeScratch, type Scratch } from '../support/scratch.ts';
import { createTestServices, TEST_SECRET_KEY } from '../support/services.ts';

// `npm run attack` runs these at full force and prints the outcomes; `npm test` runs them briefly.
vi.setConfig({ testTimeout: force.isWhole ? 900_000 : 60_000, hookTimeout: 90_000 });

let scratch: Scratch;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let redis: Awaited<ReturnType<typeof startRedisDependency>>;
let services: RunningServices;
/** With rate limits. */
let counting: Target;
/** Without rate limits, so that requests reach the code under attack. */
let open: Target;
let flooding: Target;
const outcomes: Outcome[] = [];

beforeAll(async () => {
  scratch = makeScratch();
  [database, redis] = await Promise.all([createTestDatabase(), startRedisDependency(scratch.path)]);
  services = await createTestServices({ databaseUrl: database.url, redisUrl: redis.url, redisPrefix: '' });
  const env = { DATABASE_URL: database.url, REDIS_URL: redis.url, SECRET_KEY: TEST_SECRET_KEY, SEED: 'none' };
  const directory = scratch.path;
  counting = await startTarget({ directory, env: { ...env, TRUST_PROXY: '1' } });
  open = await startTarget({ directory, env: { ...env, RATE_LIMITS: 'off', INTROSPECTION: 'off' } });
  flooding = await startTarget({ directory, env: {}, main: resolve('test/support/attack/flood-server.mjs') });
});
afterAll(async () => {
  const report = process.env.ATTACK_REPORT;
  if (report) writeFileSync(report, JSON.stringify({ seed, outcomes }));
  await Promise.all([counting?.stop(), open?.stop(), flooding?.stop()]);
  await services?.close();
  await redis?.stop();
  await database?.drop();
  await scratch?.remove();
});

const newUsers = (count: number): Promise<LoggedInDevice[]> => newLoggedInDevices(services, count);

async function newUser(): Promise<LoggedInDevice> {
  const [user] = await newUsers(1);
  if (!user) throw new Error('no user was created');
  return user;
}

function expectWithinBounds(found: Outcome[]): void {
  outcomes.push(...found);
  expect(
    found.filter(({ ok }) => !ok),
    `seed ${seed}`,
  ).toEqual([]);
}

it('malformed documents are rejected and do not crash the process', async () => {
  expectWithinBounds(await documents(open, (await newUser()).token, seed));
});

it('expensive documents are rejected before execution', async () => {
  expectWithinBounds(await floods(open, (await newUser()).token));
});

it('many root fields and subscriptions of one user leave the database to others', async () => {
  const [attacker, victim] = [await newUser(), await newUser()];
  const { db } = services;
  const change = () =>
    db.device.updateMany({ where: { userId: attacker.userId }, data: { name: `${performance.now()}` } });
  const watched = () => announce(services, { userIds: [attacker.userId] });
  const settings = { token: attacker.token, victim: victim.token, change: () => change().then(watched) };
  expectWithinBounds(await rootFields(open, settings));
});

it('logins do not occupy the request slots of others', async () => {
  const [email, password] = [`${unique('login')}@example.test`, 'correct horse battery staple'];
  const passwordHash = await hashPassword(password);
  const { userId } = await newUser();
  await buildIdentity(services.db, { userId, type: 'EMAIL', value: email, passwordHash });
  expectWithinBounds(await logins(open, { email, password, victim: (await newUser()).token }));
});

it('distinct documents do not fill the memory', async () => {
  expectWithinBounds(await retention(open, (await newUser()).token));
});

it('guessing codes finds none, even while Redis is flushed', async () => {
  expectWithinBounds(await guesses({ target: counting, db: services.db, redis, newUsers, seed }));
});

it('forged tokens are rejected', async () => {
  const { userId, token } = await newUser();
  const session = await services.db.session.findFirstOrThrow({ where: { userId } });
  const others = { 'a session id': session.id, 'a server token': 'srv_AAAA', nothing: 'null' };
  const settings = { keys: services.signingKeys, userId, sessionId: session.id, others };
  expectWithinBounds(await tokens(open, token, settings));
});

it('silent, flooding and malformed sockets are closed without affecting others', async () => {
  expectWithinBounds(await sockets(counting, (await newUser()).token));
});

it('stalled readers are closed without memory growth, and other readers receive everything', async () => {
  expectWithinBounds(await stalledReaders(flooding));
});

it('slow and idle connections do not affect others', async () => {
  expectWithinBounds(await slow(open));
});

it('response times of existing and missing codes are recorded', async () => {
  const codes = {
    disabled: (await newCode(services, { code: { enabled: false } })).code,
    usedUp: (await newCode(services, { code: { maxUses: 1, usedCount: 1 } })).code,
  };
  expectWithinBounds(
    await timing(open, { codes, users: await newUsers(Math.ceil(force.samples / 90)), seed }),
  );
});

it('the attacked processes are still alive', async () => {
  expect(await Promise.all([counting.isAlive(), open.isAlive()])).toEqual([true, true]);
});
