import { createAdmission } from '../../../platform/concurrency/admission.ts';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import { countedAddress } from '../../network/server/own-addresses.ts';

/** A wrong guess is an answer CODE_NOT_FOUND, and nothing else. */
const BY_USER: RateLimit = { name: 'wrong-code', points: 10, durationSeconds: 600 };
const BY_ADDRESS: RateLimit = { name: 'wrong-code-from', points: 100, durationSeconds: 600 };

/** Kept in PostgreSQL, which a flushed Redis does not make forget. */
const WRONG_GUESSES_A_DAY = 100;

type GuessServices = Pick<Services, 'db' | 'rateLimits'>;

const turns = createAdmission();

/**
 * Evaluates a guess while the user, and his address, may be wrong once more. Of many at once no more are under way
 * than may still be wrong, so that none beyond the limits is evaluated in this process, right ones included.
 *
 * @throws PlatformError RATE_LIMITED when the user, or his address, has guessed wrong too often lately
 */
export async function limitWrongGuesses<Result>(
  services: GuessServices,
  userId: string,
  evaluate: () => Promise<Result>,
): Promise<Result> {
  const { rateLimits } = services;
  const address = await countedAddress(services);
  return turns.run(
    `user:${userId}`,
    () => rateLimits.remaining(BY_USER, userId),
    () =>
      address === null
        ? evaluate()
        : turns.run(`address:${address}`, () => rateLimits.remaining(BY_ADDRESS, address), evaluate),
  );
}

/**
 * Counts a wrong guess where limits are shared; the count of the day is written by `recordWrongGuesses`.
 *
 * @throws PlatformError RATE_LIMITED when it is one too many: other processes count as well
 */
export async function penalizeGuess(services: GuessServices, userId: string): Promise<void> {
  const address = await countedAddress(services);
  await Promise.all([
    services.rateLimits.consume(BY_USER, userId),
    address !== null && services.rateLimits.consume(BY_ADDRESS, address),
  ]);
}

/** Adds one wrong guess of today for each of these users, one of them as often as he has guessed. */
export async function recordWrongGuesses(
  tx: Pick<Transaction, '$executeRaw'>,
  userIds: readonly string[],
): Promise<void> {
  if (userIds.length === 0) return;
  await tx.$executeRaw`
    INSERT INTO wrong_guesses (user_id, day, count)
    SELECT user_id, (tessera_now() AT TIME ZONE 'UTC')::date, count(*)
    FROM unnest(${[...userIds]}::uuid[]) AS guess(user_id)
    GROUP BY user_id ORDER BY user_id
    ON CONFLICT (user_id, day) DO UPDATE SET count = wrong_guesses.count + excluded.count`;
}

/** The refusal for a user who has guessed wrong so often on this day (UTC); null as long as he may go on. */
export function dailyRefusal(wrongGuesses: number, now: Date): InstanceType<typeof PlatformError> | null {
  if (wrongGuesses < WRONG_GUESSES_A_DAY) return null;
  const midnight = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1);
  return new PlatformError('RATE_LIMITED', {
    retryAfterSeconds: Math.ceil((midnight - now.getTime()) / SECOND_MS),
  });
}
