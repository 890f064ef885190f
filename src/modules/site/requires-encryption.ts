import type { Services } from '../../platform/services.ts';

/** Whether devices must encrypt at this moment; what an admin sets holds for every instance at once. */
export async function requiresEncryption({ db }: Pick<Services, 'db'>): Promise<boolean> {
  const site = await db.siteSettings.findUnique({ where: { id: 1 }, select: { transportEncryption: true } });
  return site?.transportEncryption ?? false;
}
