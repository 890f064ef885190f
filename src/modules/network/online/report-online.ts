import { z } from 'zod';
import type { SiteSettings } from '../../../generated/prisma/client.ts';
import { checkInput, orElse } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import type { ListStates } from '../agent/read-server-users.ts';
import { limitDevices } from './limit-devices.ts';
import { isSubscriptionId, type OnlineNotice, readOnlineEntries } from './online-entries.ts';
import {
  type ConnectedSubscription,
  type ReportKind,
  readOnlineAddresses,
  writeOnlineUsers,
} from './online-users.ts';

const MAX_ENTRIES = 5_000;
const MAX_PARTS = 10;

const Report = z
  .object({
    part: orElse(
      z
        .number()
        .int()
        .min(0, 'must not be negative')
        .max(MAX_PARTS - 1, `must be less than ${MAX_PARTS}`),
      0,
    ),
    changesOnly: orElse(z.boolean(), false),
    entries: z
      .array(z.object({ subscriptionId: z.string(), ips: z.array(z.string()) }))
      .max(MAX_ENTRIES, `must have at most ${MAX_ENTRIES} entries`),
  })
  .refine(({ part, changesOnly }) => !changesOnly || part === 0, {
    path: ['part'],
    message: 'must be 0 for changes',
  });

/** Result of a report. */
export interface OnlineReportResult {
  /** Subscriptions that were stored from this report. */
  connected: number;
  notices: OnlineNotice[];
  /** Addresses of reported subscriptions to disconnect, because their devices exceed the limit. */
  exceeded: ConnectedSubscription[];
}

export type OnlineServices = Pick<Services, 'db' | 'redis' | 'pubSub'> & {
  listStates: ListStates;
  recentSiteSettings: () => Promise<Pick<SiteSettings, 'excessDevices' | 'roamingSeconds'>>;
};

/**
 * Replaces the list of subscriptions that are connected to a server, or changes it. The list
 * expires unless the agent reports again. Counts the devices of each subscription at all servers.
 *
 * Entries are taken one by one: what cannot be stored is named in the result.
 *
 * @throws PlatformError BAD_USER_INPUT
 * @throws RedisUnavailableError
 */
export async function reportOnline(
  services: OnlineServices,
  { serverId, input }: { serverId: string; input: z.input<typeof Report> },
): Promise<OnlineReportResult> {
  const { entries: reported, part, changesOnly } = checkInput(Report, input);
  const kind: ReportKind = changesOnly ? 'CHANGES' : part === 0 ? 'WHOLE' : 'PART';
  const ids = reported.map(({ subscriptionId }) => subscriptionId).filter(isSubscriptionId);
  const limits = await findLimits(services, serverId, ids);
  const own = new Set(limits.keys());
  const earlier = kind === 'PART' ? await readOnlineAddresses(services, serverId, [...own]) : undefined;
  const { entries, notices } = readOnlineEntries(reported, own, earlier);
  const replaced = await writeOnlineUsers(services, { serverId, entries, kind });
  const current = new Set(entries.map(({ subscriptionId }) => subscriptionId));
  const left = replaced
    .filter((id) => !current.has(id))
    .map((subscriptionId) => ({ subscriptionId, ips: [] }));
  const exceeded = await limitDevices(services, {
    serverId,
    site: await services.recentSiteSettings(),
    subscriptions: [
      ...entries.filter(({ subscriptionId }) => limits.get(subscriptionId) !== null),
      ...left,
    ].map((entry) => ({ ...entry, limit: limits.get(entry.subscriptionId) ?? null })),
  });
  return { connected: entries.length, notices, exceeded };
}

/** The limits of those subscriptions whose plan the server serves; null for no limit. */
async function findLimits(
  services: Pick<Services, 'db'> & { listStates: ListStates },
  serverId: string,
  ids: readonly string[],
): Promise<Map<string, number | null>> {
  const plans = new Map(
    ((await services.listStates(serverId))?.plans ?? []).map(({ id, deviceLimit }) => [id, deviceLimit]),
  );
  const found = await services.db.$queryRaw<{ id: string; planId: string }[]>`
    SELECT id, plan_id AS "planId" FROM user_subscriptions
    WHERE id = ANY(${[...ids]}::uuid[]) AND plan_id = ANY(${[...plans.keys()]}::uuid[])`;
  return new Map(found.map(({ id, planId }) => [id, plans.get(planId) ?? null]));
}
