import { uuidv7 } from 'uuidv7';
import type { Plan, UnitTime } from '../../../generated/prisma/client.ts';
import type { Admission } from '../../../platform/concurrency/admission.ts';
import { required } from '../../../platform/required.ts';
import type { Services } from '../../../platform/services.ts';
import { RedemptionError } from '../../kernel/redemption.errors.ts';
import type { OwnAddresses } from '../../network/server/own-addresses.ts';
import { beginSubscription, extendSubscription } from '../../subscription/grant.ts';
import { lookupsOf } from '../code/code-vault.ts';
import { normalizeCode } from '../code/redemption-code.ts';
import { type FoundCode, isFirstOrder, readEligibility, refusalOf } from './eligibility.ts';
import {
  dailyRefusal,
  limitWrongGuesses,
  maxGuessesPerDay,
  penalizeGuess,
  recordWrongGuesses,
} from './wrong-guesses.ts';

/** The subscription as it would be after redeeming a code. */
export interface RedemptionOutcome {
  plan: Plan;
  unitTime: UnitTime;
  quantity: number;
  /** Null if redeeming would start a new subscription. */
  extendedSubscriptionId: string | null;
  startsAt: Date;
  expiresAt: Date | null;
  trafficLimit: bigint | null;
  isNew: boolean;
}

type PreviewServices = Pick<Services, 'db' | 'rateLimits' | 'secrets'> & {
  guessAdmission: Admission;
  ownAddresses: OwnAddresses;
};

/**
 * Computes the outcome of redeeming a code by the rules of `redeemCode`, without reserving a use.
 * Works while Redis is unavailable.
 *
 * @throws RedemptionError as `redeemCode` would; an unknown code counts as a wrong guess
 * @throws PlatformError BAD_USER_INPUT, RATE_LIMITED
 */
export async function previewRedemption(
  services: PreviewServices,
  { userId, typed }: { userId: string; typed: string },
): Promise<RedemptionOutcome> {
  const code = normalizeCode(typed, 'code');
  const found = await limitWrongGuesses(services, userId, () => findRedeemable(services, userId, code));
  const plan = await services.db.plan.findUniqueOrThrow({ where: { id: found.planId } });
  return { plan, ...outcomeOf(found) };
}

async function findRedeemable(services: PreviewServices, userId: string, code: string): Promise<FoundCode> {
  const [read] = await readEligibility(services.db, [{ userId, lookups: lookupsOf(services, code) }]);
  const eligibility = required(read, 'eligibility of the request');
  const tooManyGuesses = dailyRefusal(eligibility, maxGuessesPerDay(services));
  if (tooManyGuesses) throw tooManyGuesses;
  if (eligibility.codeId === null) {
    await countWrongGuess(services, userId);
    throw new RedemptionError('CODE_NOT_FOUND');
  }
  const refusal = refusalOf(eligibility);
  if (refusal) throw refusal;
  return eligibility;
}

async function countWrongGuess(
  services: Pick<Services, 'db' | 'rateLimits'> & { ownAddresses: OwnAddresses },
  userId: string,
): Promise<void> {
  await recordWrongGuesses(services, services.db, [userId]);
  await penalizeGuess(services, userId);
}

function outcomeOf(code: FoundCode): Omit<RedemptionOutcome, 'plan'> {
  const { live, unitTime, quantity, now } = code;
  const after = live ? extendSubscription(live, code, now) : beginSubscription(uuidv7(), code, now);
  const { startsAt, expiresAt, trafficLimit } = after;
  return {
    unitTime,
    quantity,
    extendedSubscriptionId: live?.id ?? null,
    startsAt,
    expiresAt,
    trafficLimit,
    isNew: isFirstOrder(code),
  };
}
