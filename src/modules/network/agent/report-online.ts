import { z } from 'zod';
import { checkId, checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { writeOnlineUsers } from './online-users.ts';
import type { ListStates } from './read-server-users.ts';

const MAX_ENTRIES = 5_000;
const MAX_ADDRESSES = 50;

const Report = z.object({
  entries: z
    .array(
      z.object({
        subscriptionId: z
          .string()
          .transform((id) => checkId(id, 'input.entries.subscriptionId').toLowerCase()),
        ips: z
          .array(z.union([z.ipv4(), z.ipv6()], 'must be IP addresses'))
          .max(MAX_ADDRESSES, `must have at most ${MAX_ADDRESSES} entries`),
      }),
    )
    .max(MAX_ENTRIES, `must have at most ${MAX_ENTRIES} entries`),
});

/**
 * Replaces the list of subscriptions that are connected to a server. It expires unless the agent
 * reports again.
 *
 * @returns false if entries were ignored because their subscriptions cannot use the server
 * @throws PlatformError BAD_USER_INPUT; NOT_FOUND for malformed ids
 * @throws RedisUnavailableError
 */
export async function reportOnline(
  services: Pick<Services, 'db' | 'redis'> & { listStates: ListStates },
  { serverId, input }: { serverId: string; input: z.input<typeof Report> },
): Promise<boolean> {
  const { entries } = checkInput(Report, input);
  const state = await services.listStates(serverId);
  const found = await services.db.$queryRaw<{ id: string }[]>`
    SELECT id FROM user_subscriptions
    WHERE id = ANY(${entries.map(({ subscriptionId }) => subscriptionId)}::uuid[])
      AND plan_id = ANY(${(state?.plans ?? []).map(({ id }) => id)}::uuid[])`;
  const own = new Set(found.map(({ id }) => id));
  const ownEntries = entries.filter(({ subscriptionId }) => own.has(subscriptionId));
  await writeOnlineUsers(services, { serverId, entries: ownEntries });
  return ownEntries.length === entries.length;
}
