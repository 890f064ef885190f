import { z } from 'zod';
import type { Server } from '../../../generated/prisma/client.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { hashServerToken, newServerToken } from './find-agent.ts';
import { auditedServer, serverFields } from './server-fields.ts';

const NewServer = z.object({
  ...serverFields,
  country: serverFields.country.nullish().transform((country) => country ?? ''),
  city: serverFields.city.nullish().transform((city) => city ?? ''),
  latitude: serverFields.latitude.nullish().transform((latitude) => latitude ?? null),
  longitude: serverFields.longitude.nullish().transform((longitude) => longitude ?? null),
});

/** A server with the token of its agent, which is not stored and cannot be shown again. */
export interface CredentialedServer {
  server: Server;
  token: string;
}

/**
 * Adds a server. Audited, without its token.
 *
 * @throws PlatformError BAD_USER_INPUT
 */
export function createServer(
  { db }: Pick<Services, 'db'>,
  { actorId, input }: { actorId: string; input: z.input<typeof NewServer> },
): Promise<CredentialedServer> {
  const fields = checkInput(NewServer, input);
  const token = newServerToken();
  return db.$transaction(async (tx) => {
    const server = await tx.server.create({ data: { ...fields, tokenHash: hashServerToken(token) } });
    await recordAudit(tx, {
      action: 'createServer',
      actorId,
      targetId: server.id,
      after: auditedServer(server),
    });
    return { server, token };
  });
}
