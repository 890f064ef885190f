import type { Plan, UnitTime } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import type { OwnAddresses } from '../../network/server/own-addresses.ts';
import { beginSubscription, extendSubscription } from '../../subscription/grant.ts';
import { lookupsOf } from '../code/code-vault.ts';
import { normalizeCode } from '../code/redemption-code.ts';
import { type Eligibility, readEligibility, refusalOf } from './eligibility.ts';
import { dailyRefusal, limitWrongGuesses, penalizeGuess, recordWrongGuesses } from './wrong-guesses.ts';

/** What redeeming a code would do. */
export interface RedemptionPreview {
  plan: Plan;
  unitTime: UnitTime;
  quantity: number;
  /** Id of the subscription that would be extended; null for a new one. */
  extendedSubscriptionId: string | null;
  startsAt: Date;
  expiresAt: Date | null;
  trafficLimit: bigint | null;
  isNew: boolean;
}

/**
 * Tells what redeeming the code would do, by the rules of redeeming it, and consumes nothing. It needs no Redis.
 *
 * @throws RedemptionError as redeeming would; a wrong code counts as a wrong guess
 * @throws PlatformError BAD_USER_INPUT, RATE_LIMITED
 */
export async function previewRedemption(
  services: Pick<Services, 'db' | 'rateLimits' | 'secrets'> & { ownAddresses: OwnAddresses },
  { userId, typed }: { userId: string; typed: string },
): Promise<RedemptionPreview> {
  const code = normalizeCode(typed, 'code');
  const offer = await limitWrongGuesses(services, userId, () => findOffer(services, userId, code));
  const plan = await services.db.plan.findUniqueOrThrow({ where: { id: offer.planId } });
  return { plan, ...outcomeOf(offer) };
}

async function findOffer(
  services: Pick<Services, 'db' | 'rateLimits' | 'secrets'> & { ownAddresses: OwnAddresses },
  userId: string,
  code: string,
): Promise<Eligibility> {
  const [offer] = await readEligibility(services.db, [{ userId, lookups: lookupsOf(services, code) }]);
  if (!offer) throw new Error('there is no offer for the wish');
  const refusal = dailyRefusal(offer.wrongGuesses, offer.now) ?? refusalOf(offer);
  if (refusal?.code === 'CODE_NOT_FOUND') await countWrongGuess(services, userId);
  if (refusal) throw refusal;
  return offer;
}

async function countWrongGuess(
  services: Pick<Services, 'db' | 'rateLimits'> & { ownAddresses: OwnAddresses },
  userId: string,
): Promise<void> {
  await recordWrongGuesses(services.db, [userId]);
  await penalizeGuess(services, userId);
}

function outcomeOf(offer: Eligibility): Omit<RedemptionPreview, 'plan'> {
  const { live, unitTime, quantity, now } = offer;
  const after = live ? extendSubscription(live, offer, now) : beginSubscription('', offer, now);
  const { startsAt, expiresAt, trafficLimit } = after;
  return {
    unitTime,
    quantity,
    extendedSubscriptionId: live?.id ?? null,
    startsAt,
    expiresAt,
    trafficLimit,
    isNew: !offer.hasCountedOrder,
  };
}
