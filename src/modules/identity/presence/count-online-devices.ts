import type { Services } from '../../../platform/services.ts';

/** How many devices are online, by the stays that are recorded: what `devices(filter: {online: true})` lists. */
export async function countOnlineDevices({ db }: Pick<Services, 'db'>): Promise<number> {
  const [{ count }] = await db.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int AS count FROM device_stays
    WHERE ended_at IS NULL AND device_id IS NOT NULL AND last_seen_at > tessera_now() - interval '30 seconds'`;
  return count;
}
