import { z } from 'zod';
import type { Server } from '../../../generated/prisma/client.ts';
import { checkVersion, EditedVersion, given } from '../../../platform/database/edit.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { lockNodeLists } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { invalidateNodeLists } from '../node-list/invalidate-node-lists.ts';
import { plansOfServer } from '../node-list/plans-of-nodes.ts';
import { lockServer } from './lock-server.ts';
import { auditedServer, serverFields } from './server-fields.ts';

/**
 * Null clears a location field; for `name` and `address`, which are required, it means no change.
 */
const ServerChange = z.object({
  version: EditedVersion,
  name: serverFields.name.nullish().transform((name) => name ?? undefined),
  address: serverFields.address.nullish().transform((address) => address ?? undefined),
  country: serverFields.country.nullish().transform(emptyForNull),
  city: serverFields.city.nullish().transform(emptyForNull),
  latitude: serverFields.latitude.nullish(),
  longitude: serverFields.longitude.nullish(),
});

/**
 * Updates the given fields of a server. Audited. Invalidates node lists, which contain the server's
 * address and location.
 *
 * @throws PlatformError NOT_FOUND; BAD_USER_INPUT; EDIT_CONFLICT when `version` is given and
 *   outdated
 */
export async function updateServer(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { actorId, id, input }: { actorId: string; id: string; input: z.input<typeof ServerChange> },
): Promise<Server> {
  const { version, ...fields } = checkInput(ServerChange, input);
  const { server, planIds } = await services.db.$transaction(async (tx) => {
    await lockNodeLists(tx);
    const before = await lockServer(tx, id);
    checkVersion(before, version);
    const data = { ...given(fields), version: { increment: 1 } };
    const server = await tx.server.update({ where: { id }, data });
    await recordAudit(tx, {
      action: 'updateServer',
      actorId,
      targetId: server.id,
      before: auditedServer(before),
      after: auditedServer(server),
    });
    return { server, planIds: await plansOfServer(tx, id) };
  });
  await invalidateNodeLists(services, planIds);
  return server;
}

function emptyForNull(text: string | null | undefined): string | undefined {
  return text === null ? '' : text;
}
