import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { type ListStates, readServerUsers, type UserDelta } from './read-server-users.ts';
import { checkRevision } from './sync-step.ts';

const SIZE = { default: 1_000, smallest: 1, largest: 10_000 } as const;

/**
 * A page of what has changed in the list of a server since a revision, or of the whole list.
 *
 * @throws PlatformError BAD_USER_INPUT for a page of a size outside 1–10,000, or a negative revision; those of
 *   `readServerUsers`
 */
export function getServerUsers(
  services: Pick<Services, 'db'> & { listStates: ListStates },
  { serverId, since, first }: { serverId: string; since: bigint | null; first: number | null },
): Promise<UserDelta> {
  const size = first ?? SIZE.default;
  if (size < SIZE.smallest || size > SIZE.largest) {
    const message = `\`first\` must be from ${SIZE.smallest} to ${SIZE.largest}, not ${size}.`;
    throw new PlatformError('BAD_USER_INPUT', { field: 'first', message });
  }
  return readServerUsers(services, { serverId, since: checkRevision(since, 'since'), sizeFor: () => size });
}
