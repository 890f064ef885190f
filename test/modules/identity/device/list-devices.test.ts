import { PrismaPg } from '@prisma/adapter-pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { PrismaClient } from '../../../../src/generated/prisma/client.ts';
import { type DeviceListFilter, listDevices } from '../../../../src/modules/identity/device/list-devices.ts';
import { createSecrets } from '../../../../src/platform/keys/secrets.ts';
import { DevicesDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { createTestDatabase } from '../../../support/database.ts';
import { buildDevice, buildDeviceStay, inDays } from '../../../support/factories.ts';
import { newDevice, openSocket } from '../../../support/household.ts';
import { TEST_SECRET_KEY } from '../../../support/services.ts';

let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api?.close());

describe('devices', () => {
  it('matches a short code exactly and case-sensitively, ignoring spaces around it', async () => {
    const { id } = await labeled('Desk-17');
    await labeled('Desk-171');
    await labeled('desk-17');

    expect(await found({ shortCode: 'Desk-17' })).toEqual([id]);
    expect(await found({ shortCode: ' Desk-17 ' })).toEqual([id]);
    expect(await found({ shortCode: 'Desk' })).toEqual([]);
  });

  it('matches short codes by prefix, newest first', async () => {
    const [one, two] = [await labeled('Till 1'), await labeled('Till 2')];
    await labeled('Tillage');
    await labeled('A Till 3');

    expect(await found({ shortCodePrefix: 'Till ' })).toEqual([two.id, one.id]);
    expect(await found({ shortCodePrefix: 'Till ', shortCode: 'Till 1' })).toEqual([one.id]);
  });

  it.each(['50%', '5_%', 'a\\b', '%', '_', '\\'])(
    'matches the prefix %j literally, not as a LIKE pattern',
    async (prefix) => {
      const { id } = await labeled(`${prefix}x`);
      await labeled('505x');
      await labeled('ax');

      expect(await found({ shortCodePrefix: prefix })).toEqual([id]);
      await api.services.db.device.update({ where: { id }, data: { shortCode: null } });
    },
  );

  it('matches by identifier, by user, and by both combined', async () => {
    const [phone, other] = [await newDevice(api), await newDevice(api)];
    const { identifier, userId, deviceId } = phone;

    expect(await found({ identifier })).toEqual([deviceId]);
    expect(await found({ identifier: identifier.slice(0, -1) })).toEqual([]);
    expect(await found({ userId })).toEqual([deviceId]);
    expect(await found({ userId: other.userId, identifier })).toEqual([]);
  });

  it('separates online devices from offline and crashed ones', async () => {
    const [online, gone, crashed] = [await newDevice(api), await newDevice(api), await newDevice(api)];
    const socket = await openSocket(online);
    const { db } = api.services;
    await buildDeviceStay(db, { ...owner(gone), startedAt: inDays(-1), endedAt: inDays(0) });
    await buildDeviceStay(db, { ...owner(crashed), startedAt: inDays(-1), lastSeenAt: inDays(-0.5) });

    const listed = async (isOnline: boolean) => new Set(await found({ online: isOnline }));

    expect(await listed(true)).toEqual(new Set([online.deviceId]));
    expect([...(await listed(false))]).toEqual(expect.arrayContaining([gone.deviceId, crashed.deviceId]));
    expect(await listed(false)).not.toContain(online.deviceId);
    await socket.close();
  });

  it('treats null in the filter like an absent field', async () => {
    const all = await admin.get(DevicesDocument, {});
    const nothing = { shortCode: null, shortCodePrefix: null, identifier: null, userId: null, online: null };

    expect(await admin.get(DevicesDocument, { filter: nothing })).toEqual(all);
    expect(await admin.get(DevicesDocument, { filter: null })).toEqual(all);
  });
});

describe('a search in twenty thousand devices', () => {
  it('uses the index on short codes for exact matches and for prefixes', async () => {
    const { explained } = await manyDevices(20_000);

    for (const filter of [{ shortCode: 'SC-12345' }, { shortCodePrefix: 'SC-1234' }]) {
      const plans = await explained(filter);
      expect(plans).toHaveLength(2);
      for (const plan of plans) {
        expect(plan).toContain('devices_short_code_idx');
        expect(plan).not.toContain('Seq Scan');
      }
    }
  });
});

const labeled = (shortCode: string) => buildDevice(api.services.db, { shortCode });
const owner = ({ userId, deviceId }: { userId: string; deviceId: string }) => ({ userId, deviceId });

async function found(filter: DeviceListFilter): Promise<string[]> {
  const { devices } = await admin.get(DevicesDocument, { filter, first: 100 });
  expect(devices?.totalCount).toBe(devices?.nodes.length);
  return devices?.nodes.map(({ id }) => id) ?? [];
}

/**
 * Creates a database with `count` devices. `explained` returns the query plans of a page and of its
 * count.
 */
async function manyDevices(count: number) {
  const { url, drop } = await createTestDatabase();
  const adapter = new PrismaPg({ connectionString: url });
  const db = new PrismaClient({ adapter, log: [{ emit: 'event', level: 'query' }] });
  onTestFinished(async () => {
    await db.$disconnect();
    await drop();
  });
  await db.$executeRaw`
    WITH u AS (INSERT INTO users (id) VALUES (gen_random_uuid()) RETURNING id),
    i AS (INSERT INTO identities (id, user_id, type, value)
      SELECT gen_random_uuid(), u.id, 'DEVICE', 'device-' || n FROM u, generate_series(1, ${count}::int) n
      RETURNING id, user_id, value)
    INSERT INTO devices (id, user_id, identity_id, short_code)
    SELECT gen_random_uuid(), user_id, id, replace(value, 'device', 'SC') FROM i`;
  await db.$executeRaw`ANALYZE devices`;
  const queries: { query: string; params: string }[] = [];
  db.$on('query', (event) => queries.push(event));
  const explained = async (filter: DeviceListFilter) => {
    queries.length = 0;
    const page = await listDevices(
      { db, secrets: createSecrets({ secretKey: TEST_SECRET_KEY }) },
      { filter, page: {} },
    );
    expect(page.nodes.length).toBe(await page.totalCount);
    expect(page.nodes.length).toBeGreaterThan(0);
    const plans: string[] = [];
    for (const { query, params } of [...queries]) {
      const rows = await db.$queryRawUnsafe<Record<string, string>[]>(
        `EXPLAIN ${query}`,
        ...(JSON.parse(params) as unknown[]),
      );
      plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
    }
    return plans;
  };
  return { explained };
}
