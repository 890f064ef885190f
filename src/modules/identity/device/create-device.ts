import type { Device } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { credentialFields, seenFields } from '../device-proof/device-fields.ts';
import type { DeviceLogin } from '../device-proof/device-login.ts';
import type { ShownProof } from '../device-proof/device-proof.ts';

/** Makes a device and its identity for an account. The unique key on identities lets an identifier in once. */
export async function createDevice(
  tx: Transaction,
  { userId, login, proof }: { userId: string; login: DeviceLogin; proof: ShownProof | null },
): Promise<Device> {
  const identity = await tx.identity.create({ data: { userId, type: 'DEVICE', value: login.identifier } });
  return tx.device.create({
    data: {
      userId,
      identityId: identity.id,
      shortCode: login.shortCode ?? null,
      name: login.name ?? null,
      lastSeenAt: await databaseNow(tx),
      ...seenFields(login),
      ...credentialFields(proof),
    },
  });
}
