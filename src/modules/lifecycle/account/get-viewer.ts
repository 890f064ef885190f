import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import type { Caller } from '../../kernel/caller.ts';
import { type AccountSelection, type AccountSnapshot, readAccount } from './read-account.ts';

/**
 * Returns the caller's own account, or null for a request without a token.
 *
 * @throws PlatformError UNAUTHENTICATED for an invalid token; FORBIDDEN for an agent
 */
export async function getViewer(
  services: Pick<Services, 'db' | 'cache' | 'secrets' | 'log'>,
  { caller, selection }: { caller: Caller; selection: AccountSelection },
): Promise<AccountSnapshot | null> {
  if (caller.kind === 'agent') throw new PlatformError('FORBIDDEN');
  if (caller.kind === 'user') return readAccount(services, { userId: caller.userId, selection });
  if (caller.refusedToken) throw new PlatformError('UNAUTHENTICATED');
  return null;
}
