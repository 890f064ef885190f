import type { Services } from '../../../platform/services.ts';
import { filterAfterFirst } from '../../../platform/watch/stream.ts';
import { checkRevision } from './list-position.ts';
import type { ListedPlan } from './read-list-states.ts';
import { readServerUsers, type UserDelta } from './read-server-users.ts';
import type { UserLists } from './user-lists.ts';

/** Entries of a message: with the ids of many nodes in each it has fewer. A socket bears a megabyte that is not read yet. */
const MOST_ENTRIES = 1_000;
const MESSAGE_BYTES = 512 * 1024;
const BYTES_OF_ENTRY = 180;
const BYTES_OF_NODE = 39;

/** What cannot be told yet is looked at again so soon, and then more and more rarely. */
const FIRST_LOOK_MS = 2;
const LONGEST_LOOK_MS = 100;

/**
 * What has changed in the list of a server since a revision, or the whole list, then each further change: as many
 * messages as it takes, each to be applied in its turn. A slow agent gets what has gathered in one.
 *
 * @throws PlatformError BAD_USER_INPUT; those of `readServerUsers`
 */
export async function watchServerUsers(
  services: Pick<Services, 'db'> & UserLists,
  { serverId, since }: { serverId: string; since: bigint | null },
): Promise<AsyncIterable<UserDelta>> {
  let position = checkRevision(since, 'since');
  let looks = 0;
  const stream = services.watchedLists.watch(serverId, async () => {
    const delta = await readServerUsers(services, { serverId, since: position, sizeFor: fittingSize });
    position = delta.revision;
    looks = delta.isPending ? looks + 1 : 0;
    if (delta.hasMore) stream.wake();
    else if (delta.isPending) {
      setTimeout(() => stream.wake(), Math.min(FIRST_LOOK_MS * 2 ** (looks - 1), LONGEST_LOOK_MS)).unref();
    }
    return delta;
  });
  return filterAfterFirst(
    await stream.open(),
    ({ full, upserts, removals }) => full || upserts.length + removals.length > 0,
  );
}

function fittingSize(plans: readonly ListedPlan[]): number {
  const nodes = Math.max(0, ...plans.map(({ nodeIds }) => nodeIds.length));
  return Math.max(
    1,
    Math.min(MOST_ENTRIES, Math.floor(MESSAGE_BYTES / (BYTES_OF_ENTRY + BYTES_OF_NODE * nodes))),
  );
}
