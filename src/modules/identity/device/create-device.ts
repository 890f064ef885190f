import type { Device } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import { credentialColumns, lastLoginColumns } from '../device-proof/device-fields.ts';
import type { DeviceLogin } from '../device-proof/device-login-input.ts';
import type { PresentedCredential } from '../device-proof/device-proof.ts';
import { addIdentity } from '../history/add-identity.ts';

/**
 * Creates a device and its identity. A concurrent registration of the same identifier violates
 * `identities_type_value_key`.
 */
export async function createDevice(
  tx: Transaction,
  secrets: Secrets,
  {
    userId,
    login,
    credential,
  }: { userId: string; login: DeviceLogin; credential: PresentedCredential | null },
): Promise<Device> {
  const identity = await addIdentity(tx, secrets, { userId, type: 'DEVICE', value: login.identifier });
  return tx.device.create({
    data: {
      userId,
      identityId: identity.id,
      shortCode: login.shortCode ?? null,
      name: login.name ?? null,
      lastSeenAt: await databaseNow(tx),
      ...lastLoginColumns(login),
      ...credentialColumns(credential),
    },
  });
}
