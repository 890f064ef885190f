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
 * Makes a new key for devices to encrypt to, and the first one where there is none. The one before stays good until the
 * next rotation, and every process obeys from the commit on. Audited.
 *
 * @param actorId null when the service itself makes it
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
