import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  AuditLogDocument,
  DeviceLoginDocument,
  LoginDocument,
  RedeemCodeDocument,
} from '../generated/graphql.ts';
import { newSecret } from '../support/api.ts';
import { type Client, createClient } from '../support/client.ts';
import { unique } from '../support/factories.ts';
import { type RunningProcess, startProcess } from '../support/process.ts';
import { makeScratch, type Scratch } from '../support/scratch.ts';
import { runCommand } from '../support/shell.ts';

// Each start needs about a second of CPU time, which can take long on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

let scratch: Scratch;
let env: Record<string, string>;
let service: RunningProcess;

beforeAll(async () => {
  scratch = makeScratch();
  env = { DATA_DIR: join(scratch.path, 'data'), ADMIN_EMAIL: 'first@example.test' };
  service = await startProcess({ directory: scratch.path, env });
});
afterAll(() => scratch.remove());

/** Runs the CLI as an operator would, in the environment of the service. */
async function tessera(
  args: readonly string[],
  { input = '', env: more = {} }: { input?: string; env?: Record<string, string> } = {},
) {
  mkdirSync(scratch.path, { recursive: true });
  return runCommand(args, { directory: scratch.path, env: { ...env, ...more }, input });
}

const passwordIn = (shown: string) =>
  /^Admin: \S+, password (\S+) \(shown only once\)$/m.exec(shown)?.[1] ?? '';

async function logIn(email: string, password: string): Promise<Client & { code: string | undefined }> {
  const client = createClient(service.url);
  const { data, errors } = await client.ask(LoginDocument, { input: { email, password } });
  client.token = data?.login.accessToken;
  return Object.assign(client, { code: errors?.[0]?.extensions.code });
}

describe('the CLI, while the service runs on private servers', () => {
  it('creates an admin with a generated password, and resets the password', async () => {
    const email = 'second@example.test';
    const made = await tessera(['admin', 'create', '--email', email]);
    const first = await logIn(email, passwordIn(made.shown));

    const reset = await tessera(['admin', 'reset', '--email', email]);
    const second = await logIn(email, passwordIn(reset.shown));

    expect([made.code, made.said, reset.code, reset.said]).toEqual([0, '', 0, '']);
    expect(passwordIn(reset.shown)).not.toBe(passwordIn(made.shown));
    expect((await logIn(email, passwordIn(made.shown))).code).toBe('INVALID_CREDENTIALS');
    expect((await first.refused(AuditLogDocument)).extensions.code).toBe('UNAUTHENTICATED');
    const { auditLog } = await second.get(AuditLogDocument, { first: 2 });
    expect(auditLog?.nodes).toMatchObject([
      { action: 'resetAdmin', actorId: null, requestId: null, ip: null, before: { enabled: true } },
      { action: 'createAdmin', actorId: null, requestId: null, ip: null },
    ]);
    expect(JSON.stringify(auditLog)).not.toContain(passwordIn(reset.shown));
  });

  it('reads a password from standard input or the environment without printing it', async () => {
    const piped = await tessera(['admin', 'create', '--email', 'third@example.test', '--password-stdin'], {
      input: 'from the pipe\n',
    });
    const named = await tessera(['admin', 'reset', '--email', 'third@example.test'], {
      env: { ADMIN_PASSWORD: 'from the environment' },
    });

    expect([piped.shown, named.shown]).toEqual(Array(2).fill('Admin: third@example.test\n'));
    expect((await logIn('third@example.test', 'from the pipe')).code).toBe('INVALID_CREDENTIALS');
    expect((await logIn('third@example.test', 'from the environment')).code).toBeUndefined();
  });

  it('prints redeemable codes to standard output, one per line and nothing else', async () => {
    const { code, shown, said } = await tessera([
      ...['codes', 'create', '--plan', 'Basic', '--unit', 'month', '--quantity', '2', '--count', '3'],
      ...['--max-uses', 'unlimited', '--label', 'from the shell'],
    ]);
    const codes = shown.trimEnd().split('\n');

    expect([code, codes.length, new Set(codes).size]).toEqual([0, 3, 3]);
    expect(said).toMatch(/^Batch \S+: 3 codes\.$/m);
    const app = createClient(service.url);
    const { deviceLogin } = await app.get(DeviceLoginDocument, {
      input: { identifier: unique('device'), secret: newSecret() },
    });
    app.token = deviceLogin.accessToken;
    const { redeemCode } = await app.get(RedeemCodeDocument, { input: { code: codes[1] ?? '' } });
    expect(redeemCode.status).toMatch(/PAID|FINISHED/);
  });

  it('rotates the signing key', async () => {
    const keys = async () =>
      ((await (await fetch(`${service.url}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] })
        .keys;
    const before = await keys();

    const { shown } = await tessera(['keys', 'rotate']);

    const kid = /^Signing key (\S+): /.exec(shown)?.[1];
    expect(before.map((key) => key.kid)).not.toContain(kid);
    expect((await keys()).map((key) => key.kid)).toContain(kid);
  });
});

describe('the CLI', () => {
  it('exits with 2 for an invalid command line, and with 1 for a refusal', async () => {
    const [wrong, refused] = await Promise.all([
      tessera(['admin', 'promote']),
      tessera(['admin', 'create', '--email', 'first@example.test']),
    ]);

    expect(wrong).toMatchObject({ code: 2, shown: '', said: expect.stringMatching(/^There is no command/) });
    expect(refused).toMatchObject({ code: 1, shown: '', said: expect.stringMatching(/^EMAIL_TAKEN: .*\n$/) });
  });

  it('does not initialize an empty DATA_DIR', async () => {
    const DATA_DIR = join(scratch.path, 'nothing here');
    const { code, said } = await tessera(['keys', 'rotate'], { env: { DATA_DIR } });

    expect([code, said]).toEqual([1, expect.stringContaining('The service has never run in')]);
  });
});

describe('the CLI, while the service is stopped', () => {
  it('starts the private servers of DATA_DIR, and stops them afterward', async () => {
    await service.stop();

    const { code, shown } = await tessera(['admin', 'reset', '--email', 'first@example.test']);

    expect([code, passwordIn(shown).length]).toEqual([0, 20]);
    expect(scratch.living()).toEqual([]);
    service = await startProcess({ directory: scratch.path, env });
    expect((await logIn('first@example.test', passwordIn(shown))).code).toBeUndefined();
  });
});
