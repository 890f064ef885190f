import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { type ListStates, readServerUsers, type UserDelta } from './read-server-users.ts';
import { checkRevision } from './sync-step.ts';

const PAGE_SIZE = { default: 1_000, min: 1, max: 10_000 } as const;

/**
 * Reads a page of the changes to a server's list since a revision, or of the whole list.
 *
 * @throws PlatformError BAD_USER_INPUT when `first` is outside 1–10,000, or the revision is
 *   negative; those of `readServerUsers`
 */
export function getServerUsers(
  services: Pick<Services, 'db'> & { listStates: ListStates },
  { serverId, since, first }: { serverId: string; since: bigint | null; first: number | null },
): Promise<UserDelta> {
  const size = first ?? PAGE_SIZE.default;
  if (size < PAGE_SIZE.min || size > PAGE_SIZE.max) {
    const message = `first: must be from ${PAGE_SIZE.min} to ${PAGE_SIZE.max}`;
    throw new PlatformError('BAD_USER_INPUT', { field: 'first', message });
  }
  return readServerUsers(services, { serverId, since: checkRevision(since, 'since'), sizeFor: () => size });
}
