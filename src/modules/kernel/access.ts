import { createParameterDecorator, Extensions } from 'type-graphql';
import { PlatformError } from '../../platform/errors.ts';
import { type AgentCaller, agentOf, type Caller, isAdmin, type UserCaller, userOf } from './caller.ts';

/** Allows every caller, authenticated or not. */
export const Public = () => Extensions({ policy: 'PUBLIC' });

/**
 * Allows the response to a query to be cached for a second, while nothing that the process
 * has learned of has changed it.
 */
export const Cacheable = () => Extensions({ cacheable: true });

/** Requires a signed-in user. The verb restricts them to their own data. */
export const SignedIn = () => Extensions({ policy: 'SIGNED_IN' });

/** Requires the role ADMIN. */
export const AdminOnly = () => Extensions({ policy: 'ADMIN' });

/** Requires an agent token. The verb restricts the agent to its own server. */
export const AgentOnly = () => Extensions({ policy: 'AGENT' });

/**
 * Enforces the policy of a root field.
 *
 * @throws PlatformError UNAUTHENTICATED if the caller is anonymous, FORBIDDEN if they are known but
 *   not allowed
 */
export function checkPolicy(policy: string, { caller }: { caller: Caller }): void {
  if (policy === 'PUBLIC') return;
  if (caller.kind === 'anonymous') throw new PlatformError('UNAUTHENTICATED');
  if (!isAllowed(policy, caller)) throw new PlatformError('FORBIDDEN');
}

function isAllowed(policy: string, caller: UserCaller | AgentCaller): boolean {
  if (policy === 'AGENT') return caller.kind === 'agent';
  if (policy === 'ADMIN') return isAdmin(caller);
  return policy === 'SIGNED_IN' && caller.kind === 'user';
}

/** Injects the caller of a `SignedIn` or `AdminOnly` field. */
export const CurrentUser = () =>
  createParameterDecorator<{ caller: Caller }>(({ context }) => userOf(context.caller));

/** Injects the caller of an `AgentOnly` field. */
export const CurrentAgent = () =>
  createParameterDecorator<{ caller: Caller }>(({ context }) => agentOf(context.caller));
