import type { Identity, Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import { inheritFromLastAccount } from './identity-history.ts';

/**
 * Adds an identity to an account, which inherits from the last account of that identity. A value
 * that an account has violates `identities_type_value_key`. The caller has locked or created the
 * user.
 */
export async function addIdentity(
  tx: Transaction,
  secrets: Secrets,
  data: Prisma.IdentityUncheckedCreateInput,
): Promise<Identity> {
  const identity = await tx.identity.create({ data });
  await inheritFromLastAccount(tx, secrets, identity);
  return identity;
}
