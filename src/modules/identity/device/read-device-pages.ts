import type { Device } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { DomainError } from '../../../platform/errors.ts';
import { checkPage, isFirstPage, type Page, type PageArguments } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';
import { listDevices, pageOfDevices } from './list-devices.ts';

/** A page of the devices of one user, newest first. */
export interface DevicePageRequest {
  userId: string;
  page: PageArguments;
}

/**
 * Reads pages of devices of any number of users: first pages in one statement together, the others,
 * which are rare, in one statement each.
 *
 * @returns the pages in the order of the requests; undefined for invalid arguments, whose error
 *   `listDevices` reports
 */
export async function readDevicePages(
  services: Pick<Services, 'secrets'> & { db: Pick<Transaction, 'device' | '$queryRaw'> },
  requests: readonly DevicePageRequest[],
): Promise<(Page<Device> | undefined)[]> {
  const firstPages = requests.filter(({ page }) => isValidFirstPage(page));
  const rows = await readFirstDevices(services.db, firstPages);
  const pages: (Page<Device> | undefined)[] = [];
  for (const request of requests) {
    const { userId, page } = request;
    const devices = rows.get(request);
    const found = devices
      ? pageOfDevices(services, { page, find: async () => devices, count: neverCounts })
      : listDevices(services, { filter: { userId }, page });
    pages.push(await found.catch(ignoreInvalid));
  }
  return pages;
}

const neverCounts = () => Promise.reject(new Error('the reader of the page counts the devices'));

function isValidFirstPage(page: PageArguments): boolean {
  if (!isFirstPage(page)) return false;
  try {
    checkPage(page);
    return true;
  } catch {
    return false;
  }
}

function ignoreInvalid(error: unknown): undefined {
  if (!(error instanceof DomainError)) throw error;
}

/** Reads one row beyond each page. */
async function readFirstDevices(
  db: Pick<Transaction, '$queryRaw'>,
  requests: readonly DevicePageRequest[],
): Promise<Map<DevicePageRequest, Device[]>> {
  const devices = new Map<DevicePageRequest, Device[]>(requests.map((request) => [request, []]));
  if (requests.length === 0) return devices;
  const userIds = requests.map(({ userId }) => userId);
  const takes = requests.map(({ page }) => checkPage(page).size + 1);
  const rows = await db.$queryRaw<(Device & { place: number })[]>`
    SELECT w.place::int - 1 AS place, d.id, d.user_id AS "userId", d.identity_id AS "identityId",
      d.secret_hash AS "secretHash", d.public_key AS "publicKey", d.key_thumbprint AS "keyThumbprint",
      d.name, d.platform, d.app_version AS "appVersion", host(d.ip) AS ip, d.user_agent AS "userAgent",
      d.enabled, d.last_seen_at AS "lastSeenAt", d.created_at AS "createdAt", d.short_code AS "shortCode"
    FROM unnest(${userIds}::uuid[], ${takes}::int[]) WITH ORDINALITY AS w(user_id, take, place)
    CROSS JOIN LATERAL (
      SELECT * FROM devices WHERE devices.user_id = w.user_id ORDER BY devices.id DESC LIMIT w.take) AS d
    ORDER BY w.place, d.id DESC`;
  for (const { place, ...device } of rows) {
    const request = requests[place];
    if (request) devices.get(request)?.push(device);
  }
  return devices;
}
