import type { Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import { rememberIdentities } from './identity-history.ts';

/**
 * Removes identities from their accounts, and remembers which accounts these were. Devices and
 * their sessions are deleted by cascade. The only place that deletes identities; the caller has
 * locked their users.
 */
export async function removeIdentities(
  tx: Transaction,
  secrets: Secrets,
  where: Prisma.IdentityWhereInput,
): Promise<void> {
  const identities = await tx.identity.findMany({ where });
  // Hardware ids contain their account, so they never join another.
  await rememberIdentities(
    tx,
    secrets,
    identities.filter(({ type }) => type !== 'HARDWARE'),
  );
  await tx.identity.deleteMany({ where: { id: { in: identities.map(({ id }) => id) } } });
}

/**
 * Removes the hardware ids of an account that is merged into another. They name the account, so
 * clients declare theirs again under the other one.
 */
export async function removeHardwareIds(tx: Transaction, userId: string): Promise<void> {
  await tx.identity.deleteMany({ where: { userId, type: 'HARDWARE' } });
}
