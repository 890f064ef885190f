import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../../src/generated/prisma/client.ts';
import { DEVICE_SORTS, listDevices } from '../../../src/modules/identity/device/list-devices.ts';
import { createSecrets } from '../../../src/platform/keys/secrets.ts';
import type { RunningServices } from '../../../src/platform/services.ts';
import { buildDevice, buildUser, inDays } from '../../support/factories.ts';
import { createTestServices } from '../../support/services.ts';

type Way = keyof typeof DEVICE_SORTS;
const WAYS = Object.keys(DEVICE_SORTS) as Way[];

let services: RunningServices;
let devices: Device[];

beforeAll(async () => {
  services = await createTestServices();
  const { id: userId } = await buildUser(services.db);
  devices = [];
  // Equal, different and null values in random order.
  for (const days of [3, null, 1, 2, 2, null, 3, 1, 1, null, 2]) {
    const lastSeenAt = days === null ? null : new Date(Math.trunc(inDays(-days).getTime() / 60_000) * 60_000);
    devices.push(await buildDevice(services.db, { userId, lastSeenAt }));
  }
});
afterAll(() => services.close());

/** The expected order, computed without the database. */
function expected(way: Way): string[] {
  const sign = way.endsWith('ASC') ? 1 : -1;
  const byId = (one: Device, other: Device) => sign * (one.id < other.id ? -1 : 1);
  if (way.startsWith('CREATED')) return devices.toSorted(byId).map(({ id }) => id);
  const seen = devices.filter(({ lastSeenAt }) => lastSeenAt !== null);
  const never = devices.filter(({ lastSeenAt }) => lastSeenAt === null);
  const at = ({ lastSeenAt }: Device) => lastSeenAt?.getTime() ?? 0;
  seen.sort((one, other) => sign * (at(one) - at(other)) || byId(one, other));
  return [...seen, ...never.toSorted(byId)].map(({ id }) => id);
}

const list = (orderBy: Way, page: Parameters<typeof listDevices>[1]['page'], secrets = services.secrets) =>
  listDevices({ db: services.db, secrets }, { filter: {}, orderBy, page });
const idsOf = ({ nodes }: { nodes: { id: string }[] }) => nodes.map(({ id }) => id);

describe('paginate on a sort column', () => {
  it.for(WAYS.flatMap((way) => [1, 2, 3, 5, 11].map((size) => ({ way, size }))))(
    'returns each entry once by $way in pages of $size, forwards and backwards',
    async ({ way, size }) => {
      const forwards: string[] = [];
      const backwards: string[] = [];
      for (let after: string | null = null, more = true; more; ) {
        const page = await list(way, { first: size, after });
        forwards.push(...idsOf(page));
        ({ endCursor: after, hasNextPage: more } = page.pageInfo);
      }
      for (let before: string | null = null, more = true; more; ) {
        const page = await list(way, { last: size, before });
        backwards.unshift(...idsOf(page));
        ({ startCursor: before, hasPreviousPage: more } = page.pageInfo);
      }

      expect(forwards).toEqual(expected(way));
      expect(backwards).toEqual(expected(way));
    },
  );

  it.for(WAYS)('returns the entries between any two cursors by %s', async (way) => {
    const { edges } = await list(way, { first: 100 });
    const all = expected(way);
    for (const [from, after] of edges.entries()) {
      for (const [to, before] of edges.entries()) {
        const page = { after: after.cursor, before: before.cursor };
        const between = all.slice(from + 1, Math.max(to, from + 1));

        expect(idsOf(await list(way, page))).toEqual(between);
        expect(idsOf(await list(way, { ...page, last: 4 }))).toEqual(between.slice(-4));
      }
    }
  });
});

describe('a cursor while SECRET_KEY is rotated', () => {
  it.for(WAYS)('remains valid for %s until the previous key is removed', async (way) => {
    const [before, now] = [
      'the key of before, thirty-two characters',
      'the key of now, also with thirty-two c.',
    ];
    const old = createSecrets({ secretKey: before });
    const { pageInfo } = await list(way, { first: 4 }, old);
    const read = (secrets: typeof old) => list(way, { first: 100, after: pageInfo.endCursor }, secrets);

    const changing = createSecrets({ secretKey: now, previousSecretKey: before });
    expect(idsOf(await read(changing))).toEqual(expected(way).slice(4));
    await expect(read(createSecrets({ secretKey: now }))).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
  });
});
