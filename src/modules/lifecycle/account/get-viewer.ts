import { PlatformError } from '../../../platform/errors.ts';
import type { Caller } from '../../kernel/caller.ts';
import type { AccountReads, AccountSelection, AccountSnapshot } from './read-account.ts';

/**
 * Returns the caller's own account, or null for a request without a token.
 *
 * @throws PlatformError UNAUTHENTICATED for an invalid token; FORBIDDEN for an agent
 */
export async function getViewer(
  { readAccount }: AccountReads,
  { caller, selection }: { caller: Caller; selection: AccountSelection },
): Promise<AccountSnapshot | null> {
  if (caller.kind === 'agent') throw new PlatformError('FORBIDDEN');
  if (caller.kind === 'user') return readAccount({ userId: caller.userId, selection });
  if (caller.refusedToken) throw new PlatformError('UNAUTHENTICATED');
  return null;
}
