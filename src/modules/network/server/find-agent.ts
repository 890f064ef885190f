import { createHash, randomBytes } from 'node:crypto';
import type { Services } from '../../../platform/services.ts';
import type { AgentCaller } from '../../kernel/caller.ts';

/** The prefix of server tokens. It identifies agents before the request body is read. */
export const SERVER_TOKEN_PREFIX = 'srv_';

/** Whether an Authorization header holds a server token. Does not check that the token is valid. */
export function isServerToken(authorization: string | undefined): boolean {
  return authorization !== undefined && /^Bearer +srv_/i.test(authorization);
}

/**
 * Server tokens are stored as SHA-256. They have 256 random bits, so a slow hash would add nothing.
 */
export function hashServerToken(token: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createHash('sha256').update(token).digest());
}

export const newServerToken = () => `${SERVER_TOKEN_PREFIX}${randomBytes(32).toString('base64url')}`;

/** Finds the agent with this token; null if the token is unknown or its server was deleted. */
export async function findAgent({ db }: Pick<Services, 'db'>, token: string): Promise<AgentCaller | null> {
  const tokenHash = hashServerToken(token);
  const server = await db.server.findUnique({ where: { tokenHash, deletedAt: null }, select: { id: true } });
  return server && { kind: 'agent', serverId: server.id, tokenHash: Buffer.from(tokenHash).toString('hex') };
}
