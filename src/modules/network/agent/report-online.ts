import { z } from 'zod';
import { checkId, checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { writeOnlineUsers } from './online-users.ts';
import type { ListStates } from './read-server-users.ts';

const MOST_ENTRIES = 5_000;
const MOST_ADDRESSES = 50;

const Report = z.object({
  entries: z
    .array(
      z.object({
        subscriptionId: z
          .string()
          .transform((id) => checkId(id, 'input.entries.subscriptionId').toLowerCase()),
        ips: z
          .array(z.union([z.ipv4(), z.ipv6()], 'must be IP addresses'))
          .max(MOST_ADDRESSES, `must have at most ${MOST_ADDRESSES} entries`),
      }),
    )
    .max(MOST_ENTRIES, `must have at most ${MOST_ENTRIES} entries`),
});

/**
 * Notes who is connected to a server, in the place of what it said before. It is forgotten when the server does not
 * say it again.
 *
 * @returns false when some entries were left out, as they are of subscriptions that the server does not have
 * @throws PlatformError BAD_USER_INPUT; NOT_FOUND for an id that is none
 * @throws RedisUnavailableError
 */
export async function reportOnline(
  services: Pick<Services, 'db' | 'redis'> & { listStates: ListStates },
  { serverId, input }: { serverId: string; input: z.input<typeof Report> },
): Promise<boolean> {
  const { entries } = checkInput(Report, input);
  const state = await services.listStates.add(serverId);
  const found = await services.db.$queryRaw<{ id: string }[]>`
    SELECT id FROM user_subscriptions
    WHERE id = ANY(${entries.map(({ subscriptionId }) => subscriptionId)}::uuid[])
      AND plan_id = ANY(${(state?.plans ?? []).map(({ id }) => id)}::uuid[])`;
  const own = new Set(found.map(({ id }) => id));
  const known = entries.filter(({ subscriptionId }) => own.has(subscriptionId));
  await writeOnlineUsers(services, { serverId, entries: known });
  return known.length === entries.length;
}
