import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { sessionKey } from './find-session.ts';

/**
 * Evicts sessions from the cache, then closes their sockets on every instance. Call it after the
 * commit.
 */
export async function invalidateSessions(
  { cache, pubSub }: Pick<Services, 'cache' | 'pubSub'>,
  sessionIds: readonly string[],
): Promise<void> {
  if (sessionIds.length === 0) return;
  await Promise.all(sessionIds.map((id) => cache.delete(sessionKey(id))));
  announce({ pubSub }, { sessionIds });
}
