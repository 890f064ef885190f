import type { Database } from '../../../src/platform/database/database.ts';
import type { LoggedInDevice } from '../going-online.ts';
import { codesIn, send } from './connection.ts';
import { force, inLanes, type Outcome, type Random, seeded, type Target } from './target.ts';

/** Wrong guesses that a user has in a day, in PostgreSQL: all that is left of the limits while Redis forgets. */
const A_DAY = 100;
/** What Redis remembers allows these in ten minutes. */
const OF_USER = 10;
const OF_ADDRESS = 100;
const TOLERANCE = 1.05;
const AT_ONCE = 64;

const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const guessOf = (random: Random) => Array.from({ length: 16 }, () => LETTERS[random(32)]).join('');

/** Somebody who guesses codes, from one address or another. */
interface Guesser {
  users: readonly LoggedInDevice[];
  addresses: number;
}

interface GuessSettings {
  target: Target;
  db: Database;
  redis: { flush(): Promise<void> };
  /** So many who have never guessed yet. */
  newUsers(count: number): Promise<LoggedInDevice[]>;
  seed: number;
}

/** Guesses from few and from many, while Redis forgets all of it every second, and while it does not. */
export async function guesses(settings: GuessSettings): Promise<Outcome[]> {
  const { newUsers, redis } = settings;
  const third = Math.floor(force.guesses / 3);
  const forgetting = setInterval(() => void redis.flush(), 1_000);
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
  clearInterval(forgetting);
  await redis.flush();
  const few = Math.max(150, Math.ceil(force.guesses / 50));
  const again = { users: await newUsers(1), addresses: 1 };
  outcomes.push(await attempt(settings, 'guesses of one user', again, few, OF_USER));
  const crowd = { users: await newUsers(force.users), addresses: 1 };
  outcomes.push(await attempt(settings, 'guesses from one address', crowd, few, OF_ADDRESS, 100));
  const bundled = { users: await newUsers(1), addresses: 1 };
  outcomes.push(await attempt(settings, 'guesses in bundles of 80', bundled, few, OF_USER, 200, 80));
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
  let [told, hits] = [0, 0];
  await inLanes(Math.ceil(count / bundle), AT_ONCE, async (place) => {
    const user = users[place % users.length];
    const number = firstAddress + (place % addresses);
    const { text } = await send(target.url, documentOf(random, place, bundle), {
      authorization: `Bearer ${user?.token}`,
      'x-forwarded-for': `198.18.${Math.floor(number / 250)}.${(number % 250) + 1}`,
    });
    told += codesIn(text).filter((code) => code === 'CODE_NOT_FOUND').length;
    if (/"orderNo"|"isNew":(true|false)/.test(text)) hits += 1;
  });
  const evaluated = await evaluatedOf(db, users);
  return {
    attack,
    figure: `${count} sent, ${evaluated} evaluated, ${told} told, ${hits} hits`,
    bound: `${budget} + 5 %, no hit`,
    ok: evaluated <= budget * TOLERANCE && told <= budget * TOLERANCE && evaluated > 0 && hits === 0,
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

/** Each guess that was looked up has left its trace. */
async function evaluatedOf(db: Database, users: readonly LoggedInDevice[]): Promise<number> {
  const userId = { in: users.map((user) => user.userId) };
  const { _sum } = await db.wrongGuess.aggregate({ where: { userId }, _sum: { count: true } });
  return _sum.count ?? 0;
}
