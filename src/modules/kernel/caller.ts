import type { Role } from '../../generated/prisma/client.ts';
import { PlatformError } from '../../platform/errors.ts';

/** Somebody who has logged in. Role and ids are the session's, not the token's. */
export interface UserCaller {
  kind: 'user';
  userId: string;
  role: Role;
  sessionId: string;
  /** Null for a login by e-mail without a device. */
  deviceId: string | null;
}

/** The program on one of our servers. */
export interface AgentCaller {
  kind: 'agent';
  serverId: string;
  /** SHA-256 of its token, in hex: names the token where the token must not be kept. */
  tokenHash: string;
}

/** Nobody we know. */
export interface AnonymousCaller {
  kind: 'anonymous';
  /** What was wrong with the token that came; null when none came. */
  refusedToken: TokenFault | null;
}

/** EXPIRED: worth renewing. INVALID: forged, or none of ours. REVOKED: its session has ended. */
export type TokenFault = 'EXPIRED' | 'INVALID' | 'REVOKED';

/** Whoever sends a request. */
export type Caller = UserCaller | AgentCaller | AnonymousCaller;

/**
 * The caller as a user, where a policy has let nobody else through.
 *
 * @throws PlatformError UNAUTHENTICATED
 */
export function userOf(caller: Caller): UserCaller {
  if (caller.kind !== 'user') throw new PlatformError('UNAUTHENTICATED');
  return caller;
}

/** Whether everything may be shown to the caller. */
export function isAdmin(caller: Caller): boolean {
  return caller.kind === 'user' && caller.role === 'ADMIN';
}

/**
 * The caller as an agent, where a policy has let nobody else through.
 *
 * @throws PlatformError UNAUTHENTICATED
 */
export function agentOf(caller: Caller): AgentCaller {
  if (caller.kind !== 'agent') throw new PlatformError('UNAUTHENTICATED');
  return caller;
}
