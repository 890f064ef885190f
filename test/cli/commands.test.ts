import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitStatusOf, readCommand } from '../../src/cli/run.ts';
import { readConfig } from '../../src/config.ts';
import { logIn } from '../../src/modules/lifecycle/login/log-in.ts';
import { findAgent } from '../../src/modules/network/server/find-agent.ts';
import type { ServiceSettings } from '../../src/platform/services.ts';
import { databaseUrlOf } from '../support/database.ts';
import {
  buildDevice,
  buildIdentity,
  buildOrder,
  buildPlan,
  buildServer,
  buildSession,
  buildUser,
  inDays,
} from '../support/factories.ts';
import { newProcess } from '../support/own-process.ts';
import { createTestServices, TEST_SECRET_KEY, type TestServices } from '../support/services.ts';
import { testServers } from '../support/workers.ts';

let services: TestServices;
let settings: ServiceSettings;

beforeAll(async () => {
  services = await createTestServices();
  settings = {
    databaseUrl: await databaseUrlOf(services),
    redisUrl: testServers().redisUrl,
    secretKey: TEST_SECRET_KEY,
    rateLimits: false,
    log: services.log,
  };
  await buildPlan(services.db, { name: 'Basic' });
  await buildPlan(services.db, { name: 'Twice' });
  await buildPlan(services.db, { name: 'Twice' });
  await buildIdentity(services.db, { type: 'EMAIL', value: 'user@example.test' });
});
afterAll(() => services.close());

/** Runs a command line on the services of the test. */
async function tessera(
  line: string,
  { input = '', env = {} }: { input?: string; env?: Record<string, string> } = {},
) {
  const shown: string[] = [];
  const said: string[] = [];
  let isFailed = false;
  const tools = {
    services: { ...services, own: newProcess('command') },
    config: readConfig(env),
    settings,
    show: (text: string) => void shown.push(text),
    say: (text: string) => void said.push(text),
    readInput: async () => input,
    fail: () => {
      isFailed = true;
    },
  };
  try {
    const parsed = readCommand(line === '' ? [] : line.split(' '));
    if ('help' in parsed) tools.show(parsed.help);
    else await parsed.command.run(tools, parsed.values);
    return { code: isFailed ? 1 : 0, shown, said };
  } catch (error) {
    const { code, message } = exitStatusOf(error);
    return { code, shown, said: [message] };
  }
}

describe('the CLI', () => {
  it.for([
    ['', /^Usage: .*\n\n {2}admin create {2,}creates/],
    ['--help', /codes create/],
    ['codes create --help', /--max-uses/],
    ['keys rotate -h', /^npm run tessera -- keys rotate/],
  ] as const)('shows help for "%s"', async ([line, pattern]) => {
    expect(await tessera(line)).toEqual({ code: 0, shown: [expect.stringMatching(pattern)], said: [] });
  });

  it.for([
    ['admin', /There is no command "admin"/],
    ['admin promote', /There is no command "admin promote"/],
    ['admin create', /--email is required/],
    ['admin create --email a@b.c --password secret', /'--password'[\s\S]*--password-stdin/],
    ['admin create --email a@b.c extra', /'extra'/],
    ['admin reset --email a@b.c --password-stdin', /standard input is empty/],
    ['codes create --plan Basic', /--unit is required/],
    ['codes create --unit DAY', /--plan is required/],
    ['codes create --plan Basic --unit DAY --count many', /--count must be a whole number/],
    ['codes create --plan Basic --unit DAY --max-uses -1', /--max-uses/],
    ['codes create --plan Basic --unit DAY --expires-at soon', /--expires-at must be/],
  ] as const)('exits with 2 and an explanation for "%s"', async ([line, pattern]) => {
    expect(await tessera(line)).toEqual({ code: 2, shown: [], said: [expect.stringMatching(pattern)] });
  });

  it.for([
    ['admin create --email user@example.test', /^EMAIL_TAKEN: /],
    ['admin create --email nowhere', /^BAD_USER_INPUT: email: must be/],
    [
      'admin reset --email user@example.test',
      /^NOT_FOUND: No admin has the e-mail address user@example\.test/,
    ],
    ['codes create --plan None --unit DAY', /^NOT_FOUND: There is no plan "None"\. Existing plans: .*Basic/],
    ['codes create --plan Twice --unit DAY', /^BAD_USER_INPUT: Several plans are named "Twice"/],
    ['codes create --plan Basic --unit WEEK', /^BAD_USER_INPUT: input\.unitTime/],
    ['codes create --plan Basic --unit DAY --count 0', /^BAD_USER_INPUT: input\.count/],
  ] as const)('exits with 1 and changes nothing for "%s"', async ([line, pattern]) => {
    const before = await services.db.auditEntry.count();

    expect(await tessera(line)).toEqual({ code: 1, shown: [], said: [expect.stringMatching(pattern)] });
    expect(await services.db.auditEntry.count()).toBe(before);
  });

  it('rejects a short password from standard input', async () => {
    const short = { code: 1, shown: [], said: [expect.stringMatching(/^BAD_USER_INPUT: password/)] };

    expect(await tessera('admin create --email b@b.c --password-stdin', { input: 'short' })).toEqual(short);
  });
});

describe('admin reset', () => {
  it('enables a disabled admin, revokes all sessions, and writes an audit entry', async () => {
    const { db } = services;
    const { id: userId } = await buildUser(db, { traits: ['admin', 'disabled'] });
    await buildIdentity(db, { userId, type: 'EMAIL', value: 'locked@example.test' });
    const session = await buildSession(db, { userId });

    const { shown } = await tessera('admin reset --email Locked@example.test');

    const [, password = ''] = /password (\S+) /.exec(shown.join()) ?? [];
    expect((await logIn(services, { email: 'locked@example.test', password })).user.id).toBe(userId);
    expect(await db.session.findUnique({ where: { id: session.id } })).toMatchObject({
      revokedAt: expect.any(Date),
    });
    expect(await db.auditEntry.findMany({ where: { targetId: userId } })).toMatchObject([
      {
        action: 'resetAdmin',
        actorId: null,
        before: { enabled: false },
        after: { enabled: true, endedSessionIds: [session.id] },
      },
    ]);
  });
});

describe('codes create', () => {
  it('prints each code once, even beyond one page of reads, and accepts the id of a plan', async () => {
    const plan = await buildPlan(services.db, { name: 'Basic 2' });

    const { shown, said } = await tessera(
      `codes create --plan ${plan.id.toUpperCase()} --unit day --count 1001`,
    );

    expect(new Set(shown).size).toBe(1_001);
    expect(shown.every((code) => /^([0-9A-Z]{4}-){3}[0-9A-Z]{4}$/.test(code))).toBe(true);
    expect(said).toEqual([expect.stringMatching(/^Batch \S+: 1001 codes\.$/)]);
    expect(await services.db.redemptionBatch.findFirst({ where: { planId: plan.id } })).toMatchObject({
      unitTime: 'DAY',
      quantity: 1,
      maxUses: 1,
      createdById: null,
    });
  });
});

describe('keys rotate', () => {
  it('creates one key for successive calls, with one audit entry', async () => {
    await services.signingKeys.current();
    const first = await tessera('keys rotate');
    const again = await tessera('keys rotate');

    const kid = /^Signing key (\S+): /.exec(first.shown.join())?.[1];
    expect(again.shown.join()).toContain(`${kid} was created a few seconds ago`);
    expect(await services.db.auditEntry.findMany({ where: { action: 'rotateSigningKeys' } })).toMatchObject([
      { actorId: null, after: { kid } },
    ]);
  });

  it('creates a transport key with --transport, with an audit entry', async () => {
    const { shown } = await tessera('keys rotate --transport');

    const { kid } = await services.db.keyPair.findFirstOrThrow({ where: { purpose: 'TRANSPORT' } });
    expect(shown).toEqual([`Transport key ${kid}: valid immediately.`]);
    expect(await services.db.auditEntry.findMany({ where: { action: 'rotateTransportKey' } })).toMatchObject([
      { actorId: null, after: { kid } },
    ]);
  });
});

describe('migrate', () => {
  it('reports a migrated database, and has nothing to apply', async () => {
    expect(await tessera('migrate status')).toEqual({
      code: 0,
      shown: [expect.stringMatching(/^\d+ applied$/)],
      said: [],
    });
    expect(await tessera('migrate deploy')).toEqual({ code: 0, shown: ['Nothing to apply.'], said: [] });
  });

  it('exits with 1 for a failed migration of an earlier release, until it is resolved', async () => {
    const { db } = services;
    await db.$executeRaw`UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name LIKE '%_spent_nonces'`;

    const status = await tessera('migrate status');
    const resolved = await tessera('migrate resolve --applied 20261122000200_spent_nonces');

    expect(status).toMatchObject({
      code: 1,
      shown: [expect.anything(), expect.stringMatching(/^failed +\d+_spent_nonces/)],
    });
    expect(resolved).toEqual({
      code: 0,
      shown: ['20261122000200_spent_nonces is recorded as applied.'],
      said: [],
    });
    expect((await tessera('migrate status')).code).toBe(0);
  });

  it.for([
    ['migrate resolve', 2, /Give either --applied or --rolled-back/],
    ['migrate resolve --applied x --rolled-back x', 2, /Give either/],
    ['migrate resolve --applied unknown', 1, /There is no migration unknown/],
    ['migrate resolve --rolled-back 20261122000200_spent_nonces', 1, /has not failed/],
  ] as const)('refuses "%s"', async ([line, code, pattern]) => {
    expect(await tessera(line)).toEqual({ code, shown: [], said: [expect.stringMatching(pattern)] });
  });
});

describe('keys rotate --secret', () => {
  it('has nothing to do without another key, and refuses two kinds of keys', async () => {
    const { shown } = await tessera('keys rotate --secret');
    expect(shown).toEqual([expect.stringMatching(/nothing to do/)]);
    expect((await tessera('keys rotate --secret --transport')).code).toBe(2);
  });
});

describe('commands for emergencies', () => {
  it('shows an account by its id, address, device or order, with what belongs to it', async () => {
    const { db } = services;
    const { id: userId } = await buildUser(db);
    await buildIdentity(db, { userId, type: 'EMAIL', value: 'shown@example.test' });
    const device = await buildDevice(db, { userId, name: 'Phone' });
    const { value } = await db.identity.findUniqueOrThrow({ where: { id: device.identityId } });
    const order = await buildOrder(db, { userId, status: 'FAILED', orderNo: 'T0000000000SHOWN' });

    for (const reference of [userId, 'Shown@example.test', value, order.orderNo, 't0000-0000-00shown']) {
      const { shown, code } = await tessera(`users show ${reference}`);
      expect(code).toBe(0);
      expect(shown[0]).toMatch(new RegExp(`^user ${userId}, USER, enabled`));
      expect(shown.join('\n')).toMatch(new RegExp(`${device.id}  Phone [\\s\\S]*${order.orderNo}  FAILED`));
    }
    const show = await tessera(`orders show ${order.orderNo}`);
    expect(show.shown.join('\n')).toContain(`user ${userId}`);
    const list = await tessera('orders list --status failed --count 1');
    expect(list.shown).toHaveLength(2);
  });

  it('disables an account, ends its sessions, and enables it again', async () => {
    const { db } = services;
    const session = await buildSession(db);
    const { userId } = session;

    expect((await tessera(`users disable ${userId}`)).shown).toEqual([`User ${userId} is disabled.`]);
    expect(await db.session.findUnique({ where: { id: session.id } })).toMatchObject({
      revokedAt: expect.any(Date),
    });
    expect((await tessera(`users enable ${userId}`)).shown).toEqual([`User ${userId} is enabled.`]);
    expect(await db.user.findUnique({ where: { id: userId } })).toMatchObject({ enabled: true });
  });

  it('accepts a failed order again, once', async () => {
    const orderNo = 'T0000000000RETRY';
    const { id } = await buildOrder(services.db, { status: 'FAILED', orderNo });

    expect((await tessera(`orders retry ${orderNo}`)).code).toBe(0);
    expect(await services.db.order.findUnique({ where: { id } })).toMatchObject({ status: 'PAID' });
    expect((await tessera(`orders retry ${orderNo}`)).said).toEqual([
      expect.stringMatching(/^BAD_USER_INPUT/),
    ]);
  });

  it('disables a code as it was typed, and a batch', async () => {
    const { shown } = await tessera('codes create --plan Basic --unit DAY --count 2');
    const [code = ''] = shown;
    const batch = await services.db.redemptionBatch.findFirstOrThrow({ orderBy: { id: 'desc' } });

    expect((await tessera(`codes disable --code ${code.toLowerCase()}`)).shown).toEqual([
      'Codes disabled: 1.',
    ]);
    expect((await tessera(`codes disable --code ${code}`)).shown[0]).toMatch(/disabled before/);
    expect((await tessera(`codes disable --batch ${batch.id}`)).shown).toEqual(['Codes disabled: 2.']);
    expect((await tessera('codes disable')).code).toBe(2);
    expect((await tessera('codes disable --code 0000-0000-0000-0000')).said).toEqual([
      'NOT_FOUND: There is no such code.',
    ]);
  });

  it('lists servers and issues a new token by name', async () => {
    const { db } = services;
    const server = await buildServer(db, { name: 'Berlin' });

    expect((await tessera('servers list')).shown.join('\n')).toMatch(
      new RegExp(`${server.id}  Berlin .*OFFLINE`),
    );
    const { shown } = await tessera('servers rotate-token Berlin');
    const [, token = ''] = /: (\S+) \(shown only once\)/.exec(shown.join()) ?? [];
    expect(await findAgent(services, token)).toMatchObject({ serverId: server.id });
    expect((await tessera('servers rotate-token Paris')).said).toEqual([expect.stringMatching(/^NOT_FOUND/)]);
  });

  it.for([
    ['users show nobody@example.test', 1, /^NOT_FOUND: There is no account/],
    ['users erase nobody@example.test', 2, /cannot be undone/],
    ['users show', 2, /<user> is required/],
    ['orders show 12', 1, /^NOT_FOUND/],
    ['orders list --status LATE', 2, /must be one of PAID/],
  ] as const)('refuses "%s"', async ([line, code, pattern]) => {
    expect(await tessera(line)).toEqual({ code, shown: [], said: [expect.stringMatching(pattern)] });
  });

  it('prints the version', async () => {
    expect((await tessera('--version')).shown).toEqual([expect.stringMatching(/^\d+\.\d+\.\d+$/)]);
  });

  it('counts what retention would delete, and deletes it', async () => {
    await buildSession(services.db, { expiresAt: inDays(-31) });

    const shown = async (line: string) => (await tessera(line)).shown;
    expect(await shown('retention run --dry-run')).toContain('sessions: 1 to delete (kept for 30 days)');
    expect(await shown('retention run')).toContain('sessions: 1 deleted (kept for 30 days)');
    expect(await shown('retention run')).toContain('sessions: 0 deleted (kept for 30 days)');
  });
});
