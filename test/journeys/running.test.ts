import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import { CreatePlanDocument, LoginDocument, PlansDocument } from '../generated/graphql.ts';
import { type Client, createClient } from '../support/client.ts';
import { type RunningProcess, spawnProcess, startProcess } from '../support/process.ts';
import { makeScratch, type Scratch } from '../support/scratch.ts';

// Each start needs about a second of CPU time, which can take long on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

const ADMIN_LINE = /^Admin: (\S+), password (\S+) /m;

let scratch: Scratch;
let settings: { directory: string; env: Record<string, string> };
let first: RunningProcess;
let admin: { email: string; password: string };

beforeAll(async () => {
  scratch = makeScratch();
  settings = { directory: scratch.path, env: { DATA_DIR: join(scratch.path, 'data of ours') } };
  first = await startProcess(settings);
  const [, email = '', password = ''] = ADMIN_LINE.exec(first.output()) ?? [];
  admin = { email, password };
});
afterAll(() => scratch.remove());

/** Logs in as the admin. */
async function logIn({ url }: RunningProcess): Promise<Client> {
  const client = createClient(url);
  const { login } = await client.get(LoginDocument, { input: admin });
  client.token = login.accessToken;
  return client;
}

async function planNames(client: Client): Promise<string[]> {
  const { plans } = await client.get(PlansDocument);
  return (plans ?? []).map(({ name }) => name);
}

const makePlan = async (client: Client, name: string) =>
  client.get(CreatePlanDocument, { input: { name, description: 'Made in a test.' } });

describe('a first start on an empty DATA_DIR', () => {
  it('prints one line with its URLs when it is ready, and responds from then on', async () => {
    const lines = first.output().match(/^Tessera is ready\..*$/gm);

    const line = `Tessera is ready. GraphQL ${first.url}/graphql, playground ${first.url}/playground, admin admin@tessera.local, a code to redeem: `;
    expect(lines?.map((text) => text.replace(/(?:[0-9A-Z]{4}-){3}[0-9A-Z]{4}$/, ''))).toEqual([line]);
    const readyz = await fetch(`${first.url}/readyz`);
    expect(readyz.status).toBe(200);
    expect(await readyz.json()).toEqual({ status: 'ok', postgres: 'ok', redis: 'ok' });
  });

  it('accepts the printed admin password, with which plans can be created', async () => {
    const client = await logIn(first);

    await makePlan(client, 'Seen');

    expect(await planNames(client)).toEqual(expect.arrayContaining(['Basic', 'Unlimited', 'Seen']));
  });
});

describe('a second start', () => {
  it('on the same DATA_DIR exits with 1 and a message, and does not affect the first', async () => {
    const second = spawnProcess(settings);

    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.output()).toContain(`is in use by process ${first.pid}. Stop it first`);
    expect(second.output()).not.toMatch(/^\s+at /m);
    expect((await fetch(`${first.url}/readyz`)).status).toBe(200);
  });

  it('on the same port exits with 1 and a message, and stops its own servers', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    const port = await new Promise<number>((done) =>
      taken.once('listening', () => done((taken.address() as { port: number }).port)),
    );
    const other = makeScratch();
    const env = { DATA_DIR: join(other.path, 'data'), PORT: String(port) };
    const second = spawnProcess({ directory: other.path, env });
    try {
      expect(await second.exited).toEqual({ code: 1, signal: null });
      expect(second.output()).toContain(`address already in use 127.0.0.1:${port}.`);
      expect(second.output()).toContain('Set PORT to a free port');
      expect(second.output()).not.toMatch(/^\s+at /m);
      expect(other.living()).toEqual([]);
    } finally {
      taken.close();
      await other.remove();
    }
  });
});

describe('a start after the process was killed', () => {
  it('adopts the running servers with all data, is fast, and prints no password', async () => {
    await makePlan(await logIn(first), 'Kept');

    await first.kill9();
    expect(scratch.living().length).toBeGreaterThan(1);
    const startedAt = performance.now();
    const next = await startProcess(settings);
    const ms = performance.now() - startedAt;

    expect(next.output()).toContain('Found servers left running by a process that was killed');
    expect(next.output()).not.toMatch(ADMIN_LINE);
    expect(next.output()).not.toContain('Demo data');
    expect(await planNames(await logIn(next))).toContain('Kept');
    expect(ms).toBeLessThan(15_000);
    expect(await next.stop()).toEqual({ code: 0, signal: null });
  });
});

describe('a user other than root', () => {
  const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  const [program = '', ...args] = asNobody;
  const canRead = spawnSync(program, [...args, 'test', '-r', 'dist/src/main.js']).status === 0;

  it.skipIf(process.getuid?.() !== 0 || !canRead)(
    'can run the service with its private servers',
    async () => {
      const own = makeScratch();
      const directory = join(own.path, 'of nobody');
      mkdirSync(directory);
      chownSync(directory, 65_534, 65_534);
      try {
        const running = await startProcess({ directory, by: asNobody });
        expect((await fetch(`${running.url}/readyz`)).status).toBe(200);
        expect(own.living().map((pid) => statSync(`/proc/${pid}`).uid)).not.toContain(0);

        expect(await running.stop()).toEqual({ code: 0, signal: null });
        expect(own.living()).toEqual([]);
      } finally {
        await own.remove();
      }
    },
  );
});

describe('SIGTERM', () => {
  it('stops a process and its private servers within 15 s, with exit code 0', async () => {
    const running = await startProcess(settings);
    const startedAt = performance.now();

    running.signal('SIGTERM');

    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    expect(running.output()).toContain('Stopping (SIGTERM) …\nStopped.\n');
    expect(scratch.living()).toEqual([]);
  });

  it('stops a process that is still starting', async () => {
    const starting = spawnProcess(settings);
    await pollUntil(() => starting.output().includes('Starting a private PostgreSQL'), 10_000);

    starting.signal('SIGTERM');

    expect(await starting.exited).toEqual({ code: 0, signal: null });
    expect(scratch.living()).toEqual([]);
  });
});
