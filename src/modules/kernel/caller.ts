import type { Role } from '../../generated/prisma/client.ts';
import { PlatformError } from '../../platform/errors.ts';

/** A signed-in user. Role and ids come from the session row, not from the token. */
export interface UserCaller {
  kind: 'user';
  userId: string;
  /** Of the session: USER for sessions of devices, also those of an admin's account. */
  role: Role;
  sessionId: string;
  /** Null for sessions that were started by e-mail without a device. */
  deviceId: string | null;
}

/** The agent that runs on one of the servers. */
export interface AgentCaller {
  kind: 'agent';
  serverId: string;
  /**
   * SHA-256 of its token, in hex: identifies the token where the token itself must not be stored.
   */
  tokenHash: string;
}

/** A caller without valid credentials. */
export interface AnonymousCaller {
  kind: 'anonymous';
  /** Why the token was rejected; null if the request carried none. */
  refusedToken: TokenRejection | null;
}

/**
 * Clients refresh EXPIRED tokens. INVALID tokens are malformed, forged or unknown. REVOKED tokens
 * belong to a session that was revoked.
 */
export type TokenRejection = 'EXPIRED' | 'INVALID' | 'REVOKED';

export type Caller = UserCaller | AgentCaller | AnonymousCaller;

/**
 * Narrows the caller to a user, for fields whose policy admits users only.
 *
 * @throws PlatformError UNAUTHENTICATED for any other caller
 */
export function userOf(caller: Caller): UserCaller {
  if (caller.kind !== 'user') throw new PlatformError('UNAUTHENTICATED');
  return caller;
}

export function isAdmin(caller: Caller): boolean {
  return caller.kind === 'user' && caller.role === 'ADMIN';
}

/**
 * Narrows the caller to an agent, for fields whose policy admits agents only.
 *
 * @throws PlatformError UNAUTHENTICATED for any other caller
 */
export function agentOf(caller: Caller): AgentCaller {
  if (caller.kind !== 'agent') throw new PlatformError('UNAUTHENTICATED');
  return caller;
}
