import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import type { CredentialedServer } from './create-server.ts';
import { hashServerToken, newServerToken } from './find-agent.ts';
import { lockServer } from './lock-server.ts';

/**
 * Issues a new token for the agent of a server. Revokes the old one and closes the sockets that
 * were opened with it. Audited, without the tokens.
 *
 * @throws PlatformError NOT_FOUND
 */
export async function rotateServerToken(
  { db, pubSub }: Pick<Services, 'db' | 'pubSub'>,
  { actorId, id }: { actorId: string | null; id: string },
): Promise<CredentialedServer> {
  const token = newServerToken();
  const { before, server } = await db.$transaction(async (tx) => {
    const before = await lockServer(tx, id);
    const data = { tokenHash: hashServerToken(token), version: { increment: 1 } };
    const server = await tx.server.update({ where: { id }, data });
    await recordAudit(tx, {
      action: 'rotateServerToken',
      actorId,
      targetId: id,
      before: { version: before.version },
      after: { version: server.version },
    });
    return { before, server };
  });
  announce({ pubSub }, { revokedServerTokens: [Buffer.from(before.tokenHash).toString('hex')] });
  return { server, token };
}
