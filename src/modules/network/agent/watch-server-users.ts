import type { Services } from '../../../platform/services.ts';
import { filterAfterFirst } from '../../../platform/watch/stream.ts';
import type { ListedPlan } from './read-list-states.ts';
import { readServerUsers, type UserDelta } from './read-server-users.ts';
import { checkRevision } from './sync-step.ts';
import type { UserLists } from './user-lists.ts';

/**
 * Most entries in a message. Entries with many node ids are larger, so messages also have a size
 * limit: a socket that buffers more than 1 MiB is closed.
 */
const MAX_ENTRIES = 1_000;
const MAX_MESSAGE_BYTES = 512 * 1024;
const BYTES_PER_ENTRY = 180;
const BYTES_PER_NODE = 39;

/** Changes that cannot be sent yet are read again after this time, which doubles up to a limit. */
const FIRST_RETRY_MS = 2;
const MAX_RETRY_MS = 100;

/**
 * Streams the changes to a server's list since a revision (or the whole list), then each further
 * change. The agent applies the messages in order. Changes that happen while the agent is slow are
 * coalesced into one message.
 *
 * @throws PlatformError BAD_USER_INPUT; those of `readServerUsers`
 */
export async function watchServerUsers(
  services: Pick<Services, 'db'> & UserLists,
  { serverId, since }: { serverId: string; since: bigint | null },
): Promise<AsyncIterable<UserDelta>> {
  let cursor = checkRevision(since, 'since');
  let pendingReads = 0;
  const stream = services.watchedLists.watch(serverId, async () => {
    const delta = await readServerUsers(services, { serverId, since: cursor, sizeFor: pageSizeFor });
    cursor = delta.revision;
    pendingReads = delta.isPending ? pendingReads + 1 : 0;
    if (delta.hasMore) void stream.wake();
    else if (delta.isPending) {
      stream.wakeWithin(Math.min(FIRST_RETRY_MS * 2 ** (pendingReads - 1), MAX_RETRY_MS));
    }
    return delta;
  });
  return filterAfterFirst(
    await stream.open(),
    ({ full, upserts, removals }) => full || upserts.length + removals.length > 0,
  );
}

function pageSizeFor(plans: readonly ListedPlan[]): number {
  const nodes = Math.max(0, ...plans.map(({ nodeIds }) => nodeIds.length));
  const entries = Math.floor(MAX_MESSAGE_BYTES / (BYTES_PER_ENTRY + BYTES_PER_NODE * nodes));
  return Math.max(1, Math.min(MAX_ENTRIES, entries));
}
