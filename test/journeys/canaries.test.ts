import { randomBytes, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { hashServerToken } from '../../src/modules/network/server/find-agent.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createServices } from '../../src/platform/services.ts';
import { createClient, post } from '../support/client.ts';
import { newCode } from '../support/codes.ts';
import { createTestDatabase } from '../support/database.ts';
import { type Dependency, startRedisDependency } from '../support/dependencies.ts';
import { buildServer } from '../support/factories.ts';
import { type RunningProcess, startProcess } from '../support/process.ts';
import { makeScratch, type Scratch } from '../support/scratch.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const word = () => randomBytes(24).toString('hex');
const secretOf = () => randomBytes(32).toString('base64url');

/** Secrets that must not leak. Those that the server issues are added during the test. */
const canaries: Record<string, string> = {
  secret: secretOf(),
  'wrong secret': secretOf(),
  password: `Canary ${word()}`,
  'wrong password': `Canary ${word()}`,
  'new password': `Canary ${word()}`,
  'server token': `srv_${secretOf()}`,
  'wrong server token': `srv_${secretOf()}`,
  'forged token': `eyJhbGciOiJFUzI1NiJ9.${word()}.${word()}`,
  'wrong code': `CNRY-${randomBytes(6).toString('hex').toUpperCase()}`.replace(/[ILOU]/g, '7'),
  'wrong link code': randomBytes(8)
    .toString('hex')
    .toUpperCase()
    .replace(/[ILOU]/g, '7'),
  'wrong refresh token': secretOf(),
  'wrong confirmation token': secretOf(),
  'wrong proof': `${word()}.${word()}.${word()}`,
  'admin password': `Canary ${word()}`,
  'secret key': `Canary ${word()}`,
};
/** Not a secret: allowed in the database, but not in logs. */
const identifier = `canary-device-${word()}`;

let scratch: Scratch;
let redis: Awaited<ReturnType<typeof startRedisDependency>>;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let server: RunningProcess;
let sql: pg.Client;

beforeAll(async () => {
  scratch = makeScratch();
  [redis, database] = await Promise.all([startRedisDependency(scratch.path), createTestDatabase()]);
  sql = new pg.Client({ connectionString: database.url });
  await sql.connect();
  await createCanaryRows();
  server = await startProcess({
    directory: scratch.path,
    env: {
      ...{ DATABASE_URL: database.url, REDIS_URL: redis.url, SECRET_KEY: canary('secret key') },
      ...{ ADMIN_EMAIL: 'admin@example.test', ADMIN_PASSWORD: canary('admin password'), LOG_LEVEL: 'trace' },
    },
  });
});
afterAll(async () => {
  await server?.stop();
  await sql?.end();
  await redis?.stop();
  await database?.drop();
  await scratch?.remove();
});

const canary = (name: string) => canaries[name] ?? '';

/** Creates codes and an agent, as the server does. */
async function createCanaryRows(): Promise<void> {
  const services = await createServices({
    ...{ databaseUrl: database.url, redisUrl: redis.url, secretKey: canary('secret key') },
    ...{ rateLimits: false, log: createLogger('silent') },
  });
  for (const name of ['code', 'second code']) canaries[name] = (await newCode(services)).code;
  await buildServer(services.db, { tokenHash: hashServerToken(canary('server token')) });
  await services.close();
}

type Answers = Record<string, Record<string, unknown>>;

async function ask(query: string, variables: Record<string, unknown> = {}, token?: string): Promise<Answers> {
  const { data } = await post<Answers>(server.url, { query, variables }, token);
  return data ?? {};
}

const LOGIN = `mutation ($input: DeviceLoginInput!) {
  deviceLogin(input: $input) { accessToken refreshToken user { id } }
}`;
const MAIL_LOGIN = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }';
const REGISTER = 'mutation ($input: RegisterInput!) { register(input: $input) { accessToken refreshToken } }';
const REDEEM = 'mutation ($input: RedeemCodeInput!) { redeemCode(input: $input) { id } }';
const PREVIEW = 'query ($code: String!) { previewRedemption(code: $code) { isNew } }';
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }';
const PENDING = 'query ($token: String!) { pendingBinding(token: $token) { deviceLimit } }';
const CHANGE = 'mutation ($input: ChangePasswordInput!) { changePassword(input: $input) { id } }';

let token = '';

/** Calls every operation that accepts or returns a secret, with valid and invalid ones. */
async function useEverything(): Promise<void> {
  const { deviceLogin } = await ask(LOGIN, { input: { identifier, secret: canary('secret') } });
  token = String(deviceLogin?.accessToken ?? token);
  remember({ 'access token': deviceLogin?.accessToken, 'refresh token': deviceLogin?.refreshToken });
  await ask(LOGIN, { input: { identifier, secret: canary('wrong secret') } });
  await ask(LOGIN, {
    input: {
      identifier: `${identifier}-2`,
      secret: canary('wrong secret'),
      linkCode: canary('wrong link code'),
    },
  });
  await ask(LOGIN, { input: { identifier, proof: canary('wrong proof'), publicKey: { kty: 'EC' } } });
  const { createLinkCode } = await ask('mutation { createLinkCode { code } }', {}, token);
  remember({ 'link code': createLinkCode?.code });
  const { deviceChallenge } = await ask(
    'mutation ($i: String!) { deviceChallenge(identifier: $i) { nonce } }',
    { i: identifier },
  );
  remember({ nonce: deviceChallenge?.nonce });
  await useMail();
  for (const code of ['wrong code', 'code', 'second code']) {
    await ask(PREVIEW, { code: canary(code) }, token);
    await ask(REDEEM, { input: { code: canary(code) } }, token);
  }
  await ask(REFRESH, { token: canary('refresh token') });
  await ask(REFRESH, { token: canary('wrong refresh token') });
  await ask(PENDING, { token: canary('wrong confirmation token') });
  for (const name of ['server token', 'wrong server token', 'forged token'])
    await ask('{ viewer { id } }', {}, canary(name));
}

async function useMail(): Promise<void> {
  const email = `${randomUUID()}@example.test`;
  const { register } = await ask(REGISTER, { input: { email, password: canary('password') } });
  remember({ 'second access token': register?.accessToken, 'second refresh token': register?.refreshToken });
  await ask(MAIL_LOGIN, { input: { email, password: canary('wrong password') } });
  await ask(MAIL_LOGIN, { input: { email: 'admin@example.test', password: canary('admin password') } });
  // The device belongs to another account, so the refusal contains a confirmation token.
  const device = { identifier, secret: canary('secret') };
  const { errors } = await post(server.url, {
    query: MAIL_LOGIN,
    variables: { input: { email, password: canary('password'), device } },
  });
  const confirmationToken = errors?.[0]?.extensions.confirmationToken;
  remember({ 'confirmation token': confirmationToken });
  await ask(PENDING, { token: String(confirmationToken) });
  const input = { currentPassword: canary('password'), newPassword: canary('new password') };
  await ask(CHANGE, { input }, String(register?.accessToken));
  await ask(
    CHANGE,
    { input: { ...input, currentPassword: canary('wrong password') } },
    String(register?.accessToken),
  );
}

function remember(given: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(given))
    if (typeof value === 'string') canaries[`${name}`] = value;
}

/** Sends the secrets in unexpected places: documents, URLs, headers and invalid JSON. */
async function misplaceEverything(): Promise<void> {
  const all = [...Object.values(canaries), identifier];
  const everything = all.join(' ');
  const send = (path: string, init?: RequestInit) =>
    fetch(`${server.url}${path}`, { headers: { 'content-type': 'application/json' }, ...init }).then(
      (response) => response.text(),
      () => '',
    );
  await send(`/${encodeURIComponent(everything)}`);
  await send(`/graphql?query=${encodeURIComponent(`{ viewer(secret: "${everything}") { id } }`)}`);
  await send('/graphql', { method: 'POST', body: `{"query": "${everything}"` });
  await send('/graphql', { method: 'POST', body: JSON.stringify({ query: `{ ${everything} ` }) });
  await send('/graphql', {
    method: 'POST',
    body: JSON.stringify({ query: LOGIN, variables: { input: everything } }),
  });
  await send('/graphql', {
    method: 'POST',
    body: JSON.stringify({ query: LOGIN, variables: { input: { secret: all } } }),
  });
  await send('/metrics', { headers: { authorization: `Bearer ${canary('wrong server token')}` } });
  for (const value of all) await offerSocket({ authorization: `Bearer ${value}`, secret: value });
}

async function offerSocket(payload: Record<string, string>): Promise<void> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  socket.on('error', () => {});
  socket.once('open', () => {
    socket.send(JSON.stringify({ type: 'connection_init', payload }));
    socket.send(JSON.stringify(payload));
  });
  await new Promise((resolve) => {
    socket.once('close', resolve);
    socket.once('message', () => socket.close());
  });
}

/** Returns all keys and values of Redis. */
async function dumpRedis(): Promise<string[]> {
  const client = new Redis(redis.url);
  const keys = await client.keys('*');
  const read: Record<string, (key: string) => Promise<unknown>> = {
    string: (key) => client.get(key),
    hash: (key) => client.hgetall(key),
    list: (key) => client.lrange(key, 0, -1),
    set: (key) => client.smembers(key),
    zset: (key) => client.zrange(key, 0, -1),
    stream: (key) => client.xrange(key, '-', '+'),
  };
  const rows = keys.map(async (key) => `${key} ${JSON.stringify(await read[await client.type(key)]?.(key))}`);
  return Promise.all(rows).finally(() => client.disconnect());
}

/** Returns every command that Redis has written to disk since it was started. */
function readAppendOnlyFiles(): string {
  const directory = join(scratch.path, 'redis');
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith('.aof'))
    .map((file) => readFileSync(join(directory, file), 'latin1'))
    .join('\n');
}

/** Returns all rows of all tables as text. Binary columns are hexadecimal. */
async function dumpDatabase(): Promise<string> {
  const { rows: tables } = await sql.query(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`,
  );
  const rows: string[] = [];
  for (const { name } of tables) {
    const table = await sql.query<{ row: string }>(`SELECT '${name} ' || t::text AS row FROM "${name}" t`);
    rows.push(...table.rows.map(({ row }) => row));
  }
  return rows.join('\n');
}

/** Finds the words in the text, in plain form, without hyphens, or hexadecimal. */
function found(text: string, words: Record<string, string>): string[] {
  const lower = text.toLowerCase();
  const forms = (value: string) => {
    const plain = value.toLowerCase();
    const bytes = [Buffer.from(value), Buffer.from(value.replaceAll('-', ''))];
    return [plain, plain.replaceAll('-', ''), ...bytes.map((each) => each.toString('hex'))];
  };
  return Object.entries(words)
    .filter(([, value]) => forms(value).some((form) => lower.includes(form)))
    .map(([name]) => name);
}

const names = () => ({ ...canaries, identifier });

describe('secrets, codes and identifiers', () => {
  it('are detected by this test in every encoding', () => {
    for (const [name, value] of Object.entries(names())) {
      const disguises = [
        value,
        value.toUpperCase(),
        value.replaceAll('-', ''),
        Buffer.from(value).toString('hex'),
      ];
      for (const disguise of disguises) expect(found(`x${disguise}y`, names())).toContain(name);
    }
    expect(found('x', names())).toEqual([]);
  });

  it('do not appear in the log, whichever operation accepts or returns them', async () => {
    await useEverything();
    await misplaceEverything();

    expect(Object.keys(canaries)).toEqual(
      expect.arrayContaining([
        'access token',
        'refresh token',
        'link code',
        'nonce',
        'confirmation token',
        'code',
      ]),
    );
    expect(found(server.output(), names())).toEqual([]);
  });

  it.each([
    'identities',
    'redemption_codes',
    'sessions',
    'link_codes',
    'pending_bindings',
    'wrong_guesses',
    'devices',
  ])('do not appear in the log when the table %s is unavailable', async (table) => {
    const before = server.output().length;
    // Resets the rate limits of failed attempts, which would refuse the operations early.
    await redis.flush();
    await sql.query(`ALTER TABLE ${table} RENAME TO gone`);
    await useEverything().finally(() => sql.query(`ALTER TABLE gone RENAME TO ${table}`));

    expect(server.output().length).toBeGreaterThan(before);
    expect(server.output()).toContain('request failed: unexpected error');
    expect(found(server.output(), names())).toEqual([]);
  });

  it('do not appear in the log when Redis does not respond', async () => {
    (redis as Dependency).freeze();
    await useEverything().finally(() => redis.resume());

    expect(found(server.output(), names())).toEqual([]);
  });

  it('do not appear in Redis', async () => {
    await useEverything();
    const rows = await dumpRedis();

    expect(rows.length).toBeGreaterThan(0);
    expect(found(rows.join('\n'), names())).toEqual([]);
  });

  it('do not appear in the append-only file of Redis, which keeps the keys of released locks', async () => {
    const commands = readAppendOnlyFiles();

    expect(commands).toContain('redemption_lock:');
    expect(found(commands, names())).toEqual([]);
  });

  it('do not appear in the database, except for identifiers', async () => {
    await useEverything();
    const dump = await dumpDatabase();

    expect(dump).toContain(identifier);
    expect(found(dump, canaries)).toEqual([]);
  });
});

describe('the log', () => {
  it('has one JSON entry per line, whatever clients send', async () => {
    const lines = ['\r\n{"level":50,"msg":"forged"}\r\n', '\u2028{"level":50}', '\u001b[31m'];
    const client = createClient(server.url);
    for (const line of lines) {
      await ask(LOGIN, { input: { identifier: `device-1${line}`, secret: canary('secret'), name: line } });
      await fetch(`${server.url}/${encodeURIComponent(line)}`, { headers: { 'user-agent': 'x forged' } });
      await ask(`{ viewer { ${JSON.stringify(line)} } }`);
    }
    await client.close();
    await server.stop();

    const entries = server
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'));
    expect(entries.length).toBeGreaterThan(0);
    for (const entry of entries) expect(JSON.parse(entry)).not.toMatchObject({ msg: 'forged' });
    for (const control of ['\u001b', '\r']) expect(server.output()).not.toContain(control);
  });
});
