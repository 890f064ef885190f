import type { Device, Prisma } from '../../generated/prisma/client.ts';
import { databaseNow, SECOND_MS } from '../../platform/clock.ts';
import type { Transaction } from '../../platform/database.ts';
import { checkId } from '../../platform/input.ts';
import { type Page, type PageArguments, paginate } from '../../platform/page.ts';
import type { Services } from '../../platform/services.ts';

/** Which devices; what is left out does not matter. */
export interface DeviceListFilter {
  shortCode?: string | null;
  shortCodePrefix?: string | null;
  identifier?: string | null;
  userId?: string | null;
  online?: boolean | null;
}

/** The database, or a transaction: a page that belongs to more than itself. */
type DeviceServices = Pick<Services, 'secrets'> & { db: Pick<Transaction, 'device' | '$queryRaw'> };

/** An open stay that nobody has confirmed for so long is over, although nobody has written it down yet. */
const STAY_CONFIRMED_MS = 30 * SECOND_MS;

/**
 * Devices, the newest first.
 *
 * Who is online is taken from the recorded stays, so that pages and counts fit together; after a process has died they
 * may be half a minute late.
 */
export async function listDevices(
  services: DeviceServices,
  { filter, page }: { filter: DeviceListFilter; page: PageArguments },
): Promise<Page<Device>> {
  const where = { AND: [byLabel(filter), byOwner(filter), await byPresence(services, filter)] };
  return paginate(services, page, {
    name: 'devices',
    order: 'desc',
    find: (window) => services.db.device.findMany({ ...window, where: { AND: [where, window.where] } }),
    count: () => services.db.device.count({ where }),
  });
}

/** Short codes are kept without spaces around them. */
function byLabel({ shortCode, shortCodePrefix }: DeviceListFilter): Prisma.DeviceWhereInput {
  return {
    ...(shortCode && { shortCode: shortCode.trim() }),
    ...(shortCodePrefix && { AND: { shortCode: { startsWith: literally(shortCodePrefix.trimStart()) } } }),
  };
}

/** Prisma passes on what LIKE reads as wildcards. */
const literally = (text: string) => text.replace(/[\\%_]/g, '\\$&');

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
  const confirmedSince = new Date((await databaseNow(db)).getTime() - STAY_CONFIRMED_MS);
  const open = { endedAt: null, lastSeenAt: { gt: confirmedSince } };
  return { stays: online ? { some: open } : { none: open } };
}
