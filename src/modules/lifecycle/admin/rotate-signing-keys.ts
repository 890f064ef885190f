import { rotateSigningKey } from '../../../platform/keys/key-ring.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';

/**
 * Creates a new key for signing access tokens. Audited.
 *
 * @returns the id of the newest key; `isNew` is false when that key was created recently and is not
 *   in use yet, so no other one is created
 */
export async function rotateSigningKeys(
  services: Pick<Services, 'db' | 'secrets'>,
): Promise<{ kid: string; isNew: boolean }> {
  let isNew = false;
  const { kid } = await rotateSigningKey(services, async (tx, newKid) => {
    isNew = true;
    await recordAudit(tx, { action: 'rotateSigningKeys', actorId: null, after: { kid: newKid } });
  });
  return { kid, isNew };
}
