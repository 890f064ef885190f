import type { Device } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';

/** Finds a registered device by the identifier that its app has chosen. */
export async function findDevice({ db }: Pick<Services, 'db'>, identifier: string): Promise<Device | null> {
  const identity = await db.identity.findUnique({
    where: { type_value: { type: 'DEVICE', value: identifier } },
    include: { device: true },
  });
  return identity?.device ?? null;
}
