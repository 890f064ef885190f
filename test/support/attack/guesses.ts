import type { Database } from '../../../src/platform/database/database.ts';
import type { LoggedInDevice } from '../going-online.ts';
import { codesIn, send } from './connection.ts';
import { force, inLanes, type Outcome, type Random, seeded, type Target } from './target.ts';

/**
 * Daily limit of wrong guesses per user, in PostgreSQL: the only limit left while Redis is flushed.
 */
const A_DAY = 100;
/** Limits in ten minutes, in Redis. */
const OF_USER = 10;
const OF_ADDRESS = 100;
const TOLERANCE = 1.05;
const CONCURRENCY = 64;

const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const guessOf = (random: Random) => Array.from({ length: 16 }, () => LETTERS[random(32)]).join('');

/** Users who guess codes, from a number of addresses. */
interface Guesser {
  users: readonly LoggedInDevice[];
  addresses: number;
}

interface GuessSettings {
  target: Target;
  db: Database;
  redis: { flush(): Promise<void> };
  /** Creates users without previous guesses. */
  newUsers(count: number): Promise<LoggedInDevice[]>;
  seed: number;
}

/**
 * Guesses from one and many users and addresses, with Redis flushed every second and with Redis
 * intact.
 */
export async function guesses(settings: GuessSettings): Promise<Outcome[]> {
  const { newUsers, redis } = settings;
  const third = Math.floor(force.guesses / 3);
  const flushing = setInterval(() => void redis.flush(), 1_000);
  const one = { users: await newUsers(1), addresses: 1 };
  const many = { users: await newUsers(force.users), addresses: 1 };
  const everywhere = { users: await newUsers(force.users), addresses: force.users };
  const outcomes = [
    await attempt(settings, 'guesses of one user, Redis flushed', one, third, A_DAY),
    await attempt(
      settings,
      `guesses of ${force.users} users, Redis flushed`,
      many,
      third,
      force.users * A_DAY,
    ),
    await attempt(settings, `the same from ${force.users} addresses`, everywhere, third, force.users * A_DAY),
  ];
  clearInterval(flushing);
  await redis.flush();
  const few = Math.max(150, Math.ceil(force.guesses / 50));
  const oneAgain = { users: await newUsers(1), addresses: 1 };
  outcomes.push(await attempt(settings, 'guesses of one user', oneAgain, few, OF_USER));
  const shared = { users: await newUsers(force.users), addresses: 1 };
  outcomes.push(await attempt(settings, 'guesses from one address', shared, few, OF_ADDRESS, 100));
  const bundled = { users: await newUsers(1), addresses: 1 };
  outcomes.push(await attempt(settings, 'guesses in bundles of 20', bundled, few, OF_USER, 200, 20));
  return outcomes;
}

async function attempt(
  { target, db, seed }: GuessSettings,
  attack: string,
  { users, addresses }: Guesser,
  count: number,
  budget: number,
  firstAddress = 1,
  bundle = 1,
): Promise<Outcome> {
  const random = seeded(seed);
  let [notFound, hits] = [0, 0];
  await inLanes(Math.ceil(count / bundle), CONCURRENCY, async (place) => {
    const user = users[place % users.length];
    const number = firstAddress + (place % addresses);
    const { text } = await send(target.url, documentOf(random, place, bundle), {
      authorization: `Bearer ${user?.token}`,
      'x-forwarded-for': `198.18.${Math.floor(number / 250)}.${(number % 250) + 1}`,
    });
    notFound += codesIn(text).filter((code) => code === 'CODE_NOT_FOUND').length;
    if (/"orderNo"|"isNew":(true|false)/.test(text)) hits += 1;
  });
  const evaluated = await evaluatedOf(db, users);
  return {
    attack,
    figure: `${count} sent, ${evaluated} evaluated, ${notFound} not found, ${hits} hits`,
    bound: `${budget} + 5 %, no hit`,
    ok: evaluated <= budget * TOLERANCE && notFound <= budget * TOLERANCE && evaluated > 0 && hits === 0,
  };
}

function documentOf(random: Random, place: number, bundle: number): string {
  const preview = () => `previewRedemption(code: "${guessOf(random)}") { isNew }`;
  if (bundle > 1)
    return JSON.stringify({
      query: `{ ${Array.from({ length: bundle }, (_, n) => `a${n}: ${preview()}`).join(' ')} }`,
    });
  if (place % 2) return JSON.stringify({ query: `{ ${preview()} }` });
  return JSON.stringify({
    query: `mutation { redeemCode(input: { code: "${guessOf(random)}" }) { orderNo } }`,
  });
}

/** Every evaluated guess is counted in `wrong_guesses`. */
async function evaluatedOf(db: Database, users: readonly LoggedInDevice[]): Promise<number> {
  const userId = { in: users.map((user) => user.userId) };
  const { _sum } = await db.wrongGuess.aggregate({ where: { userId }, _sum: { count: true } });
  return _sum.count ?? 0;
}
