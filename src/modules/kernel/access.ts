import { createParameterDecorator, Extensions } from 'type-graphql';
import { PlatformError } from '../../platform/errors.ts';
import { type AgentCaller, agentOf, type Caller, isAdmin, type UserCaller, userOf } from './caller.ts';

/** Everybody may use the field, also without a token. */
export const Public = () => Extensions({ policy: 'PUBLIC' });

/** Whoever has logged in may use the field, for what is his own. */
export const SignedIn = () => Extensions({ policy: 'SIGNED_IN' });

/** Only admins may use the field. */
export const AdminOnly = () => Extensions({ policy: 'ADMIN' });

/** Only the agent of a server may use the field, for its own server. */
export const AgentOnly = () => Extensions({ policy: 'AGENT' });

/**
 * Whether the caller may use a root field with this policy.
 *
 * @throws PlatformError UNAUTHENTICATED for somebody unknown, FORBIDDEN for somebody known
 */
export function checkPolicy(policy: string, { caller }: { caller: Caller }): void {
  if (policy === 'PUBLIC') return;
  if (caller.kind === 'anonymous') throw new PlatformError('UNAUTHENTICATED');
  if (!fits(policy, caller)) throw new PlatformError('FORBIDDEN');
}

function fits(policy: string, caller: UserCaller | AgentCaller): boolean {
  if (policy === 'AGENT') return caller.kind === 'agent';
  if (policy === 'ADMIN') return isAdmin(caller);
  return policy === 'SIGNED_IN' && caller.kind === 'user';
}

/** The caller of a field that only users may use. */
export const CurrentUser = () =>
  createParameterDecorator<{ caller: Caller }>(({ context }) => userOf(context.caller));

/** The caller of a field that only agents may use. */
export const CurrentAgent = () =>
  createParameterDecorator<{ caller: Caller }>(({ context }) => agentOf(context.caller));
