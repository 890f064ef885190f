import { z } from 'zod';
import { checkInput, orElse } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { isSubscriptionId, type OnlineNotice, readOnlineEntries } from './online-entries.ts';
import { readOnlineAddresses, writeOnlineUsers } from './online-users.ts';
import type { ListStates } from './read-server-users.ts';

const MAX_ENTRIES = 5_000;
const MAX_PARTS = 10;

const Report = z.object({
  part: orElse(
    z
      .number()
      .int()
      .min(0, 'must not be negative')
      .max(MAX_PARTS - 1, `must be less than ${MAX_PARTS}`),
    0,
  ),
  entries: z
    .array(z.object({ subscriptionId: z.string(), ips: z.array(z.string()) }))
    .max(MAX_ENTRIES, `must have at most ${MAX_ENTRIES} entries`),
});

/** Result of a report. */
export interface OnlineReportResult {
  /** Subscriptions that were stored from this report. */
  connected: number;
  notices: OnlineNotice[];
}

/**
 * Replaces the list of subscriptions that are connected to a server, or, with a `part` above 0,
 * adds to it. The list expires unless the agent reports again.
 *
 * Entries are taken one by one: what cannot be stored is named in the result.
 *
 * @throws PlatformError BAD_USER_INPUT
 * @throws RedisUnavailableError
 */
export async function reportOnline(
  services: Pick<Services, 'db' | 'redis'> & { listStates: ListStates },
  { serverId, input }: { serverId: string; input: z.input<typeof Report> },
): Promise<OnlineReportResult> {
  const report = checkInput(Report, input);
  const ids = report.entries.map(({ subscriptionId }) => subscriptionId).filter(isSubscriptionId);
  const own = await findOwn(services, serverId, ids);
  const isReplacing = report.part === 0;
  const earlier = isReplacing ? undefined : await readOnlineAddresses(services, serverId, [...own]);
  const { entries, notices } = readOnlineEntries(report.entries, own, earlier);
  await writeOnlineUsers(services, { serverId, entries, isReplacing });
  return { connected: entries.length, notices };
}

/** Those subscriptions whose plan the server serves. */
async function findOwn(
  services: Pick<Services, 'db'> & { listStates: ListStates },
  serverId: string,
  ids: readonly string[],
): Promise<Set<string>> {
  const state = await services.listStates(serverId);
  const found = await services.db.$queryRaw<{ id: string }[]>`
    SELECT id FROM user_subscriptions
    WHERE id = ANY(${[...ids]}::uuid[])
      AND plan_id = ANY(${(state?.plans ?? []).map(({ id }) => id)}::uuid[])`;
  return new Set(found.map(({ id }) => id));
}
