import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seedDemo } from '../../prisma/seed.ts';
import { readConfig } from '../../src/config.ts';
import type { RunningServices } from '../../src/platform/services.ts';
import { type RunningProcess, spawnProcess, startProcess } from '../support/process.ts';
import { makeScratch, type Scratch } from '../support/scratch.ts';
import { createTestServices, TEST_SECRET_KEY } from '../support/services.ts';

const READY_LINE = /^Tessera is ready\. .*, a code to redeem: ((?:[0-9A-Z]{4}-){3}[0-9A-Z]{4})$/m;
const ADMIN_LINE = /^Admin: \S+, password (\S+) /m;

/** The result of a program. */
interface Run {
  code: number;
  output: string;
}

function run(program: string, args: string[], env: Record<string, string> = {}): Promise<Run> {
  const { PATH, HOME } = process.env;
  const options = { env: { PATH, HOME, ...env }, timeout: 15_000 };
  return new Promise((done) => {
    const child = execFile(program, args, options, (_error, stdout, stderr) => {
      done({ code: child.exitCode ?? -1, output: stdout + stderr });
    });
  });
}

/** Runs what `npm run demo` runs, without npm's own output. */
const runDemo = (env: Record<string, string>, ...args: string[]) =>
  run(process.execPath, ['scripts/demo.mjs', ...args], env);

/** Returns the shell script that consists of the code blocks in the README. */
function shellWalk(url: string, password: string): string {
  const [, story = ''] = /^## A first redemption$(.*?)^## /ms.exec(readFileSync('README.md', 'utf8')) ?? [];
  return [...story.matchAll(/^```sh\n(.*?)^```$/gms)]
    .map(([, block = '']) => block)
    .join('')
    .replace(/^PASSWORD=.*$/m, `PASSWORD=${password}`)
    .replaceAll('127.0.0.1:4000', new URL(url).host);
}

const hasTools = spawnSync('bash', ['-c', 'command -v curl && command -v openssl']).status === 0;

describe('a first redemption', () => {
  let scratch: Scratch;
  let server: RunningProcess;
  let code: string;
  let password: string;

  beforeAll(async () => {
    scratch = makeScratch();
    server = await startProcess({
      directory: scratch.path,
      env: { DATA_DIR: join(scratch.path, 'data') },
    });
    code = READY_LINE.exec(server.output())?.[1] ?? '';
    password = ADMIN_LINE.exec(server.output())?.[1] ?? '';
  });
  afterAll(() => scratch.remove());

  it('is run by npm run demo with the code that the first start shows, repeatedly with new devices', async () => {
    const env = { TESSERA_URL: server.url };
    const [first, second] = [await runDemo(env, '--code', code), await runDemo(env, '--code', code)];

    expect(first.code, first.output).toBe(0);
    const steps = first.output.match(/(?<=^ +[\d.]+ ms {2}).*$/gm);
    expect(steps).toEqual([
      expect.stringMatching(/^log in as a new device +account [-0-9a-f]{36}$/),
      'open a websocket',
      expect.stringMatching(/^redeem the code +order \w+ is (PAID|FINISHED)$/),
      ...(steps?.slice(3, -1) ?? []),
      expect.stringMatching(/^after sending the code +websocket: FINISHED$/),
    ]);
    expect(first.output).toMatch(/^Basic is ACTIVE until 2\d{3}-\S+Z, with 100 GiB\.$/m);
    expect(second.code, second.output).toBe(0);
  });

  it('is run by npm run demo with a new code if it has the admin password', async () => {
    const { code, output } = await runDemo({ TESSERA_URL: server.url, ADMIN_PASSWORD: password });

    expect(code, output).toBe(0);
    expect(output).toMatch(/ms {2}create a code +(?:\w{4}-){3}\w{4}: one month of \w+$/m);
    expect(output).toMatch(/websocket: FINISHED$/m);
  });

  it.each([
    {
      what: 'an unknown code',
      args: ['--code', 'AAAA-BBBB-CCCC-DDDD'],
      says: /The server returned an error: .+ \(CODE_NOT_FOUND\)$/m,
    },
    { what: 'neither a code nor a password', args: [], says: /^The demo needs a code to redeem\./m },
    { what: 'an unknown option', args: ['--cod', 'X'], says: /^Usage: npm run demo/m },
    {
      what: 'an unreachable address',
      args: ['--code', 'AAAA-BBBB-CCCC-DDDD'],
      env: { TESSERA_URL: 'http://127.0.0.1:1' },
      says: /^No Tessera server responds at http:\/\/127\.0\.0\.1:1 /m,
    },
  ])('makes npm run demo exit with 1 and an explanation for $what', async ({ args, env, says }) => {
    const { code, output } = await runDemo({ TESSERA_URL: server.url, ...env }, ...args);

    expect(code).toBe(1);
    expect(output).toMatch(says);
    expect(output).not.toMatch(/^\s+at /m);
  });

  it.skipIf(!hasTools)('works with the commands of the README', async () => {
    const { code, output } = await run('bash', ['-c', shellWalk(server.url, password)]);

    expect(code, output).toBe(0);
    expect(output.match(/"errors"/g)).toHaveLength(1);
    expect(output).toMatch(/^\{ status: 'FINISHED', finishedAt: '.+Z' \}$/m);
    expect(output).toContain('{"data":{"order":{"status":"FINISHED","plan":{"name":"Summer"},');
    expect(output).toContain('"code":"CODE_ALREADY_REDEEMED"');
  });
});

describe('demo data', () => {
  let services: RunningServices;

  beforeAll(async () => {
    services = await createTestServices();
  });
  afterAll(() => services.close());

  const countAll = async () => {
    const { plan, redemptionBatch, redemptionCode, server, node, ad } = services.db;
    const tables = { plan, redemptionBatch, redemptionCode, server, node, ad };
    const counts = await Promise.all(
      Object.entries(tables).map(async ([name, table]) => [
        name,
        await (table as { count(): Promise<number> }).count(),
      ]),
    );
    return Object.fromEntries(counts);
  };

  it('is created once, even if five processes start concurrently', async () => {
    await Promise.all(Array.from({ length: 5 }, () => seedDemo(services)));

    expect(await countAll()).toEqual({
      ...{ plan: 3, redemptionBatch: 3, redemptionCode: 31, server: 3, node: 8, ad: 2 },
    });
    const nodes = await services.db.node.findMany();
    expect(new Set(nodes.map(({ protocol }) => protocol)).size).toBe(7);
  });

  it('is completed by the next start if the first ones fail half-way', async () => {
    const scratch = makeScratch();
    const settings = { directory: scratch.path, env: { DATA_DIR: join(scratch.path, 'data') } };
    for (const point of [
      'launch.afterConnect',
      'launch.afterAdmin',
      'seedDemo.afterNode',
      'seedDemo.afterBatch',
    ]) {
      const doomed = spawnProcess({ ...settings, env: { ...settings.env, CRASH_POINTS: `${point}=kill` } });
      expect((await doomed.exited).signal, doomed.output()).toBe('SIGKILL');
    }

    const first = await startProcess(settings);
    expect(first.output()).toMatch(READY_LINE);
    expect(first.output()).toMatch(/^Demo data: /m);
    await first.stop();
    const second = await startProcess(settings);
    expect(second.output()).not.toMatch(READY_LINE);
    await second.stop();
    await scratch.remove();
  }, 120_000);

  it('does not overwrite later changes', async () => {
    const { db } = services;
    await seedDemo(services);
    const plan = await db.plan.findFirstOrThrow({ where: { name: 'Unlimited' } });
    await db.plan.update({ where: { id: plan.id }, data: { name: 'Boundless', deletedAt: new Date() } });
    await db.redemptionBatch.updateMany({
      where: { planId: plan.id },
      data: { idempotencyKey: null, requestMac: null },
    });
    const before = await countAll();

    expect(await seedDemo(services)).toMatchObject({ created: false });

    expect(await countAll()).toEqual(before);
    expect((await db.plan.findUniqueOrThrow({ where: { id: plan.id } })).name).toBe('Boundless');
  });

  it('is created in production only with SEED=demo', () => {
    const production = {
      ...{ NODE_ENV: 'production', SECRET_KEY: TEST_SECRET_KEY, TRUST_PROXY: '0' },
      DATABASE_URL: 'postgresql://db.example/tessera',
    };

    expect(readConfig(production).SEED).toBe('none');
    expect(readConfig({ ...production, SEED: 'demo' }).SEED).toBe('demo');
  });
});
