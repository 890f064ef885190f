import type { KeyPair } from '../../../generated/prisma/client.ts';
import {
  createKeyRow,
  lockKeys,
  readKeyRows,
  rotateKeys,
  TRANSPORT,
} from '../../../platform/keys/key-pairs.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';

/**
 * Creates a new current key for transport encryption, or the first one. The previous key remains
 * valid until the next rotation. All processes use the new key as soon as it commits.
 *
 * @param actorId null if the service itself rotates the key
 */
export async function rotateTransportKey(
  services: Pick<Services, 'db' | 'secrets'>,
  { actorId }: { actorId: string | null },
): Promise<KeyPair> {
  const row = await createKeyRow(services, TRANSPORT);
  return services.db.$transaction(async (tx) => {
    await lockKeys(tx);
    const before = (await readKeyRows({ db: tx }, TRANSPORT)).find(({ status }) => status === 'CURRENT');
    const after = await rotateKeys(tx, row);
    await recordAudit(tx, {
      action: 'rotateTransportKey',
      actorId,
      targetId: after.id,
      ...(before && { before: { kid: before.kid } }),
      after: { kid: after.kid },
    });
    return after;
  });
}
