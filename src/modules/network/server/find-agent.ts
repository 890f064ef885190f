import { createHash, randomBytes } from 'node:crypto';
import type { Services } from '../../../platform/services.ts';
import type { AgentCaller } from '../../kernel/caller.ts';

/** Every server token begins so: an agent is known before its request is read. */
export const SERVER_TOKEN_PREFIX = 'srv_';

/** Whether this header claims to have the token of a server; whose it is, and whether it is good, is not known by it. */
export function isServerToken(authorization: string | undefined): boolean {
  return authorization !== undefined && /^Bearer +srv_/i.test(authorization);
}

/** At rest a server token is its SHA-256: it has 256 random bits, so nothing can be tried out on it. */
export function hashServerToken(token: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createHash('sha256').update(token).digest());
}

/** A token that no server has yet. */
export const newServerToken = () => `${SERVER_TOKEN_PREFIX}${randomBytes(32).toString('base64url')}`;

/** The agent whose server has this token; null when none has. */
export async function findAgent({ db }: Pick<Services, 'db'>, token: string): Promise<AgentCaller | null> {
  const tokenHash = hashServerToken(token);
  const server = await db.server.findUnique({ where: { tokenHash, deletedAt: null }, select: { id: true } });
  return server && { kind: 'agent', serverId: server.id, tokenHash: Buffer.from(tokenHash).toString('hex') };
}
