import type { Device, Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { escapeLike } from '../../../platform/database/sql-values.ts';
import { checkId } from '../../../platform/input.ts';
import { type Page, type PageArguments, paginate, type Sort } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';
import { HOLDER_SQL, heldStays, IS_HELD_SQL } from '../presence/stay-holder.ts';

type DeviceSort = Sort<{ lastSeenAt: Date | null }>;

/** Conditions on devices, combined with AND. Absent and null conditions are ignored. */
export interface DeviceListFilter {
  shortCode?: string | null;
  shortCodePrefix?: string | null;
  identifier?: string | null;
  userId?: string | null;
  online?: boolean | null;
}

/** The values of `DeviceOrderBy`. */
export const DEVICE_SORTS = {
  CREATED_AT_DESC: { order: 'desc' },
  CREATED_AT_ASC: { order: 'asc' },
  LAST_SEEN_AT_DESC: { order: 'desc', by: { column: 'lastSeenAt', isNullable: true } },
  LAST_SEEN_AT_ASC: { order: 'asc', by: { column: 'lastSeenAt', isNullable: true } },
} satisfies Record<string, DeviceSort>;

/** Cursors are valid for the list of this name. */
const LIST_NAME = 'devices';

/** Accepts a transaction too, for pages that must be consistent with other reads. */
type DeviceServices = Pick<Services, 'secrets'> & { db: Pick<Transaction, 'device' | '$queryRaw'> };

/**
 * Lists devices, by default the newest first.
 *
 * The `online` filter reads recorded presence intervals, so that pages and counts agree. After an
 * instance crashes it may lag by up to 30 s.
 */
export async function listDevices(
  services: DeviceServices,
  {
    filter,
    orderBy,
    page,
  }: { filter: DeviceListFilter; orderBy?: keyof typeof DEVICE_SORTS | null; page: PageArguments },
): Promise<Page<Device>> {
  const sort: DeviceSort = DEVICE_SORTS[orderBy ?? 'CREATED_AT_DESC'];
  const where = { AND: [byLabel(filter), byOwner(filter), await byPresence(services, filter)] };
  return paginate(services, page, {
    ...sort,
    name: LIST_NAME,
    find: (window) => services.db.device.findMany({ ...window, where: { AND: [where, window.where] } }),
    count: () => services.db.device.count({ where }),
  });
}

/**
 * A page of devices, newest first, that are read elsewhere.
 *
 * @param find reads the devices of the page, and one more
 * @throws PlatformError as `paginate`
 */
export function pageOfDevices(
  services: Pick<Services, 'secrets'>,
  { page, find, count }: { page: PageArguments; find: () => Promise<Device[]>; count: () => Promise<number> },
): Promise<Page<Device>> {
  return paginate(services, page, { ...DEVICE_SORTS.CREATED_AT_DESC, name: LIST_NAME, find, count });
}

/** Counts the devices that `listDevices` lists with the filter `{ online: true }`. */
export async function countOnlineDevices({ db }: Pick<Services, 'db'>): Promise<number> {
  const [{ count }] = await db.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int AS count FROM device_stays s ${HOLDER_SQL}
    WHERE s.ended_at IS NULL AND s.device_id IS NOT NULL AND ${IS_HELD_SQL}`;
  return count;
}

/** Short codes are stored trimmed. */
function byLabel({ shortCode, shortCodePrefix }: DeviceListFilter): Prisma.DeviceWhereInput {
  return {
    ...(shortCode && { shortCode: shortCode.trim() }),
    ...(shortCodePrefix && { AND: { shortCode: { startsWith: escapeLike(shortCodePrefix.trimStart()) } } }),
  };
}

function byOwner({ identifier, userId }: DeviceListFilter): Prisma.DeviceWhereInput {
  return {
    ...(identifier && { identity: { type: 'DEVICE', value: identifier } }),
    ...(userId && { userId: checkId(userId) }),
  };
}

async function byPresence(
  { db }: DeviceServices,
  { online }: DeviceListFilter,
): Promise<Prisma.DeviceWhereInput> {
  if (online == null) return {};
  const held = await heldStays({ db });
  return { stays: online ? { some: held } : { none: held } };
}
