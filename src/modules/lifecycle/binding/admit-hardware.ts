import { createHash } from 'node:crypto';
import type { SiteSettings } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Services } from '../../../platform/services.ts';
import { readDeviceLimit } from '../../identity/device/device-limit.ts';
import { announce } from '../../kernel/announce.ts';
import { lockUsers } from '../../kernel/locks.ts';

/** A device as a proxy client declares it in the headers of its request. */
export interface DeclaredHardware {
  /** Null if it declared none, or something that is no id. */
  hwid: string | null;
  name: string | null;
  platform: string | null;
  userAgent: string | null;
  ip: string | null;
}

export type HardwareAccess = 'ADMITTED' | 'UNDECLARED' | 'DISABLED' | 'LIMIT_REACHED';

/** Accounts without a limit have at most this many. */
const MAX_HARDWARE = 100;
/** `Device.lastSeenAt` is updated this often. */
const SEEN_EVERY_MINUTES = 60;

type Site = Pick<SiteSettings, 'hardwareIds' | 'deviceLimit'>;

/**
 * Admits a device to the links of an account, and adds it to the account's devices if it is new.
 * It counts against the same limit as the devices that log in, but cannot log in itself.
 */
export async function admitHardware(
  services: Pick<Services, 'db' | 'pubSub'>,
  { userId, site, hardware }: { userId: string; site: Site; hardware: DeclaredHardware },
): Promise<HardwareAccess> {
  if (site.hardwareIds === 'OFF') return 'ADMITTED';
  if (hardware.hwid === null) return site.hardwareIds === 'REQUIRED' ? 'UNDECLARED' : 'ADMITTED';
  // Of its account: the same hardware may use the links of several.
  const value = `${userId}:${createHash('sha256').update(hardware.hwid).digest('hex')}`;
  const known = await findKnown(services.db, value);
  if (known) return admitKnown(services.db, known);
  const access = await services.db.$transaction((tx) => add(tx, { userId, site, hardware, value }));
  if (access === 'ADMITTED') announce(services, { userIds: [userId] });
  return access;
}

interface KnownHardware {
  id: string;
  enabled: boolean;
  isStale: boolean;
}

async function findKnown(
  db: Pick<Transaction, '$queryRaw'>,
  value: string,
): Promise<KnownHardware | undefined> {
  const [known] = await db.$queryRaw<KnownHardware[]>`
    SELECT d.id::text AS id, d.enabled,
      d.last_seen_at IS NULL OR d.last_seen_at < tessera_now() - ${SEEN_EVERY_MINUTES}::int * interval '1 minute' AS "isStale"
    FROM identities i JOIN devices d ON d.identity_id = i.id
    WHERE i.type = 'HARDWARE' AND i.value = ${value}`;
  return known;
}

async function admitKnown(
  db: Services['db'],
  { id, enabled, isStale }: KnownHardware,
): Promise<HardwareAccess> {
  if (!enabled) return 'DISABLED';
  if (isStale) await db.$executeRaw`UPDATE devices SET last_seen_at = tessera_now() WHERE id = ${id}::uuid`;
  return 'ADMITTED';
}

async function add(
  tx: Transaction,
  {
    userId,
    site,
    hardware: { hwid: _hwid, ...shown },
    value,
  }: { userId: string; site: Site; hardware: DeclaredHardware; value: string },
): Promise<HardwareAccess> {
  await lockUsers(tx, [userId]);
  // A concurrent request may have added it.
  const known = await findKnown(tx, value);
  if (known) return known.enabled ? 'ADMITTED' : 'DISABLED';
  const limit = (await readDeviceLimit(tx, { userId, site })) ?? MAX_HARDWARE;
  if ((await tx.device.count({ where: { userId } })) >= limit) return 'LIMIT_REACHED';
  const identity = await tx.identity.create({ data: { userId, type: 'HARDWARE', value } });
  const { id } = await tx.device.create({ data: { userId, identityId: identity.id, ...shown } });
  await tx.$executeRaw`UPDATE devices SET last_seen_at = tessera_now() WHERE id = ${id}::uuid`;
  return 'ADMITTED';
}
