import { z } from 'zod';
import type { Server } from '../../generated/prisma/client.ts';
import { PlatformError } from '../../platform/errors.ts';
import { checkInput } from '../../platform/input.ts';
import type { Services } from '../../platform/services.ts';
import { recordAudit } from '../audit/record-audit.ts';
import { lockServer } from './lock-server.ts';
import { auditedServer, serverFields } from './server-fields.ts';

/** What is absent stays. Null takes a place away; name and address cannot be taken away, and stay. */
const ServerChange = z.object({
  version: z.number().int().nullish(),
  name: serverFields.name.nullish(),
  address: serverFields.address.nullish(),
  country: serverFields.country.nullish().transform(emptyForNull),
  city: serverFields.city.nullish().transform(emptyForNull),
  latitude: serverFields.latitude.nullish(),
  longitude: serverFields.longitude.nullish(),
});

/**
 * Changes what is given. Audited.
 *
 * @throws PlatformError NOT_FOUND; BAD_USER_INPUT; EDIT_CONFLICT when `version` is given and not the present one
 */
export function updateServer(
  { db }: Pick<Services, 'db'>,
  { actorId, id, input }: { actorId: string; id: string; input: z.input<typeof ServerChange> },
): Promise<Server> {
  const { version, ...fields } = checkInput(ServerChange, input);
  return db.$transaction(async (tx) => {
    const before = await lockServer(tx, id);
    if (version != null && version !== before.version) throw new PlatformError('EDIT_CONFLICT');
    const data = { ...definedOf(fields), version: { increment: 1 } };
    const server = await tx.server.update({ where: { id }, data });
    await recordAudit(tx, {
      action: 'updateServer',
      actorId,
      targetId: id,
      before: auditedServer(before),
      after: auditedServer(server),
    });
    return server;
  });
}

function emptyForNull(text: string | null | undefined): string | undefined {
  return text === null ? '' : text;
}

function definedOf({ name, address, ...fields }: Omit<z.output<typeof ServerChange>, 'version'>) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), ...(name != null && { name }), ...(address != null && { address }) };
}
