import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { RunningServices } from '../../src/platform/services.ts';
import { documents } from '../support/attack/documents.ts';
import { floods } from '../support/attack/floods.ts';
import { guesses } from '../support/attack/guesses.ts';
import { stalledReaders } from '../support/attack/readers.ts';
import { slow } from '../support/attack/slow.ts';
import { sockets } from '../support/attack/sockets.ts';
import { force, type Outcome, seed, startTarget, type Target } from '../support/attack/target.ts';
import { timing } from '../support/attack/timing.ts';
import { tokens } from '../support/attack/tokens.ts';
import { newCode } from '../support/codes.ts';
import { createTestDatabase } from '../support/database.ts';
import { startRedisDependency } from '../support/dependencies.ts';
import { type LoggedInDevice, newLoggedInDevices } from '../support/going-online.ts';
import { makeScratch, type Scratch } from '../support/scratch.ts';
import { createTestServices, TEST_SECRET_KEY } from '../support/services.ts';

// `npm run attack` runs these with their whole force and shows what came out; every test run does with little of it.
vi.setConfig({ testTimeout: force.isWhole ? 900_000 : 60_000, hookTimeout: 90_000 });

let scratch: Scratch;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let redis: Awaited<ReturnType<typeof startRedisDependency>>;
let services: RunningServices;
/** One that counts, and one that does not, so that nothing stands before what is attacked. */
let counting: Target;
let open: Target;
let flooding: Target;
const outcomes: Outcome[] = [];

beforeAll(async () => {
  scratch = makeScratch();
  [database, redis] = await Promise.all([createTestDatabase(), startRedisDependency(scratch.path)]);
  services = await createTestServices({ databaseUrl: database.url, redisUrl: redis.url });
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
  if (!user) throw new Error('no user was made');
  return user;
}

function expectHeld(found: Outcome[]): void {
  outcomes.push(...found);
  expect(
    found.filter(({ ok }) => !ok),
    `seed ${seed}`,
  ).toEqual([]);
}

it('malformed documents are refused and bring nothing down', async () => {
  expectHeld(await documents(open, (await newUser()).token, seed));
});

it('documents that would cost much are refused before they cost anything', async () => {
  expectHeld(await floods(open, (await newUser()).token));
});

it('codes are not found by guessing, whatever Redis forgets', async () => {
  expectHeld(await guesses({ target: counting, db: services.db, redis, newUsers, seed }));
});

it('forged tokens let nobody in', async () => {
  const { userId, token } = await newUser();
  const session = await services.db.session.findFirstOrThrow({ where: { userId } });
  const others = { 'a session id': session.id, 'a server token': 'srv_AAAA', nothing: 'null' };
  const settings = { keys: services.signingKeys, userId, sessionId: session.id, others };
  expectHeld(await tokens(open, token, settings));
});

it('sockets that say nothing, too much or nonsense are closed, and disturb nobody', async () => {
  expectHeld(await sockets(counting, (await newUser()).token));
});

it('readers that stop reading cost nothing and are closed, and the others get everything', async () => {
  expectHeld(await stalledReaders(flooding));
});

it('slow and idle connections disturb nobody', async () => {
  expectHeld(await slow(open));
});

it('the time of a refusal is much the same for codes that exist and those that do not', async () => {
  const codes = {
    disabled: (await newCode(services, { code: { enabled: false } })).code,
    usedUp: (await newCode(services, { code: { maxUses: 1, usedCount: 1 } })).code,
  };
  expectHeld(await timing(open, { codes, users: await newUsers(Math.ceil(force.samples / 90)), seed }));
});

it('the processes have gone through all of it', async () => {
  expect(await Promise.all([counting.answers(), open.answers()])).toEqual([true, true]);
});
