import type { Admission } from '../../../platform/concurrency/admission.ts';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import { countedAddress, type OwnAddresses } from '../../network/server/own-addresses.ts';

/*
 * Limits on guessing codes. Only CODE_NOT_FOUND counts as a wrong guess, from redeemCode and
 * previewRedemption together.
 */
const PER_USER: RateLimit = { name: 'wrong-code', points: 10, durationSeconds: 600 };
const PER_ADDRESS: RateLimit = { name: 'wrong-code-from', points: 100, durationSeconds: 600 };

/** Per user and UTC day, counted in PostgreSQL so that it survives a flush of Redis. */
const MAX_PER_DAY = 100;

type GuessServices = Pick<Services, 'rateLimits'> & { ownAddresses: OwnAddresses };

/**
 * Evaluates a guess if the user and their address have wrong guesses left. Concurrent guesses wait:
 * never more are in flight than wrong guesses are left, so none beyond the limit is evaluated in
 * this process, not even a right one.
 *
 * @throws PlatformError RATE_LIMITED if the user or the address has no wrong guesses left
 */
export async function limitWrongGuesses<Result>(
  services: GuessServices & { guessAdmission: Admission },
  userId: string,
  evaluate: () => Promise<Result>,
): Promise<Result> {
  const { rateLimits, guessAdmission } = services;
  const address = await countedAddress(services);
  return guessAdmission.run(
    `user:${userId}`,
    () => rateLimits.remaining(PER_USER, userId),
    () =>
      address === null
        ? evaluate()
        : guessAdmission.run(
            `address:${address}`,
            () => rateLimits.remaining(PER_ADDRESS, address),
            evaluate,
          ),
  );
}

/**
 * Counts a wrong guess against the limits in Redis. `recordWrongGuesses` counts it for the day.
 *
 * @throws PlatformError RATE_LIMITED if guesses in other processes have exceeded a limit meanwhile
 */
export async function penalizeGuess(services: GuessServices, userId: string): Promise<void> {
  const address = await countedAddress(services);
  await Promise.all([
    services.rateLimits.consume(PER_USER, userId),
    address !== null && services.rateLimits.consume(PER_ADDRESS, address),
  ]);
}

/**
 * Counts wrong guesses for the day, unless rate limits are off.
 *
 * @param userIds the user of each wrong guess; may contain duplicates
 */
export async function recordWrongGuesses(
  { rateLimits }: Pick<Services, 'rateLimits'>,
  tx: Pick<Transaction, '$executeRaw'>,
  userIds: readonly string[],
): Promise<void> {
  if (userIds.length === 0 || !rateLimits.isEnabled) return;
  await tx.$executeRaw`
    INSERT INTO wrong_guesses (user_id, day, count)
    SELECT user_id, (tessera_now() AT TIME ZONE 'UTC')::date, count(*)
    FROM unnest(${[...userIds]}::uuid[]) AS guess(user_id)
    GROUP BY user_id ORDER BY user_id
    ON CONFLICT (user_id, day) DO UPDATE SET count = wrong_guesses.count + excluded.count`;
}

/** How many wrong guesses a user may make in a day; infinite while rate limits are off. */
export const maxGuessesPerDay = ({ rateLimits }: Pick<Services, 'rateLimits'>): number =>
  rateLimits.isEnabled ? MAX_PER_DAY : Number.POSITIVE_INFINITY;

/**
 * RATE_LIMITED until midnight UTC once the user has used up the day's wrong guesses; null before.
 *
 * @param max as `maxGuessesPerDay` returns it
 */
export function dailyRefusal(
  { wrongGuesses, now }: { wrongGuesses: number; now: Date },
  max: number,
): InstanceType<typeof PlatformError> | null {
  if (wrongGuesses < max) return null;
  const midnight = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1);
  return new PlatformError('RATE_LIMITED', {
    retryAfterSeconds: Math.ceil((midnight - now.getTime()) / SECOND_MS),
  });
}
