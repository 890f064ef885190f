import type { Services } from '../../../platform/services.ts';

/**
 * Whether the user has logged in from the network before, as far back as sessions are stored: until
 * 30 days after they expire, also revoked ones.
 *
 * @param network an IPv4 address or an IPv6 network, as `addressKey` returns it
 */
export async function hasSessionFrom(
  { db }: Pick<Services, 'db'>,
  { userId, network }: { userId: string; network: string },
): Promise<boolean> {
  const [found] = await db.$queryRaw<{ isKnown: boolean }[]>`
    SELECT EXISTS (SELECT FROM sessions WHERE user_id = ${userId}::uuid AND ip <<= ${network}::inet) AS "isKnown"`;
  return found?.isKnown ?? false;
}
