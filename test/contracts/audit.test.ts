import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { policyOf, rootFields } from '../../src/platform/graphql/policy.ts';
import { createSchema } from '../../src/schema.ts';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { post } from '../support/client.ts';
import { fingerprint } from '../support/fingerprint.ts';
import { fill, operationOf } from '../support/operation-of.ts';
import { PERMISSIONS, type Permission } from './permissions.ts';

/** Mutations for users that admins can also call. */
const ALSO_FOR_USERS: Record<string, Permission> = {
  'Mutation.createLinkCode': {
    selection: 'createLinkCode(userId: $id) { expiresAt }',
    expected: {} as Permission['expected'],
    given: async (_db, userId) => ({ id: userId }),
  },
  'Mutation.rotateSubscriptionCredentials': PERMISSIONS[
    'Mutation.rotateSubscriptionCredentials'
  ] as Permission,
};

/** Mutations that write no row besides the audit entry, because they only delete rows. */
const LEAVES_NO_ROW: readonly string[] = ['Mutation.deleteAd', 'Mutation.kickDevice'];

const ofAdmins = [...rootFields(await createSchema())]
  .filter(([name, field]) => name.startsWith('Mutation') && policyOf(field) === 'ADMIN')
  .map(([name]) => name);
const changes = [...ofAdmins, ...Object.keys(ALSO_FOR_USERS)];

let api: TestApi;
let admin: TestUser;

beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});

afterAll(() => api?.close());

/** Prepares a mutation by the admin on objects of a new user. */
async function change(name: string) {
  const { selection: ask, given } = ALSO_FOR_USERS[name] ?? (PERMISSIONS[name] as Permission);
  const { userId } = await api.newUser();
  const things = (await given?.(api.services.db, userId)) ?? {};
  const query = operationOf(name, fill(ask, things));
  return { send: () => post(api.url, { query }, admin.token) };
}

describe('a mutation by an admin', () => {
  it.for(changes)('%s writes one audit entry with actor, IP address and request id', async (name) => {
    const { db } = api.services;
    const before = await db.auditEntry.count();
    const { send } = await change(name);

    const { errors, headers } = await send();

    expect(errors).toBeUndefined();
    const entries = await db.auditEntry.findMany({ orderBy: { id: 'desc' }, take: 1 });
    expect(await db.auditEntry.count()).toBe(before + 1);
    expect(entries).toMatchObject([
      {
        action: name.split('.')[1],
        actorId: admin.userId,
        requestId: headers.get('x-request-id'),
        ip: '127.0.0.1',
      },
    ]);
    const written = await rowsWrittenWith(entries[0]?.id ?? '');
    expect(written > 0).toBe(!LEAVES_NO_ROW.includes(name));
  });
});

/** Counts the rows of other tables that were written in the same transaction as the entry. */
async function rowsWrittenWith(entryId: string): Promise<number> {
  const { db } = api.services;
  const tables = await db.$queryRaw<{ name: string }[]>`
    SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'audit_entries'`;
  const counts = tables.map(
    ({ name }) =>
      `SELECT count(*) FROM "${name}" WHERE xmin = (SELECT xmin FROM audit_entries WHERE id = '${entryId}')`,
  );
  const [row] = await db.$queryRawUnsafe<{ sum: bigint }[]>(
    `SELECT sum(count)::bigint AS sum FROM (${counts.join(' UNION ALL ')}) c`,
  );
  return Number(row?.sum ?? 0);
}

describe('a mutation by an admin, when the audit entry cannot be written', () => {
  beforeAll(async () => {
    await api.services.db.$executeRawUnsafe(`
      CREATE FUNCTION break_audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the audit log is full'; END $$`);
    await api.services.db.$executeRawUnsafe(
      'CREATE TRIGGER break_audit BEFORE INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION break_audit()',
    );
  });

  it.for(changes)('%s changes nothing', async (name) => {
    const { send } = await change(name);
    const before = await fingerprint(api.services.db);

    const { errors } = await send();

    expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['INTERNAL_SERVER_ERROR']);
    expect(await fingerprint(api.services.db)).toBe(before);
  });
});
