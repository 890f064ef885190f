import type { Transaction } from '../../../platform/database/database.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import { inheritFromLastAccount, rememberIdentities } from './identity-history.ts';

/**
 * Changes the value of an identity, for example an e-mail address. Remembers the old value, and
 * inherits from the account that the new one belonged to before. The caller has locked the user.
 */
export async function renameIdentity(
  tx: Transaction,
  secrets: Secrets,
  { id, value }: { id: string; value: string },
): Promise<void> {
  await rememberIdentities(tx, secrets, await tx.identity.findMany({ where: { id } }));
  const identity = await tx.identity.update({ where: { id }, data: { value } });
  await inheritFromLastAccount(tx, secrets, identity);
}
