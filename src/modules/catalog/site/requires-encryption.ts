import type { Services } from '../../../platform/services.ts';

/** Whether devices must encrypt at this moment; what an admin sets holds for every instance at once. */
export async function requiresEncryption({ db }: Pick<Services, 'db'>): Promise<boolean> {
  // Asked for most requests of devices: the cheapest way to ask.
  const [site] = await db.$queryRaw<{ isRequired: boolean }[]>`
    SELECT transport_encryption AS "isRequired" FROM site_settings WHERE id = 1`;
  return site?.isRequired ?? false;
}
