import { rotateSigningKey } from '../../../platform/keys/key-ring.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';

/**
 * Has access tokens signed with a new key: see `rotateSigningKey`. Audited.
 *
 * @returns the id of the key, and false when it is one that was made moments ago and signs nothing yet
 */
export async function rotateSigningKeys(
  services: Pick<Services, 'db' | 'secrets'>,
): Promise<{ kid: string; isNew: boolean }> {
  let isNew = false;
  const { kid } = await rotateSigningKey(services, async (tx, made) => {
    isNew = true;
    await recordAudit(tx, { action: 'rotateSigningKeys', actorId: null, after: { kid: made } });
  });
  return { kid, isNew };
}
