import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Customer } from './lab.ts';

/** What a wish to redeem was answered, each time it was asked. */
export interface Wish {
  userId: string;
  code: string;
  /** ACCEPTED, else the code of the last refusal; UNANSWERED when there was never an answer. */
  outcome: string;
  answers: Answer[];
}

interface Answer {
  outcome: string;
  ms: number;
  /** Milliseconds since the beginning of the load. */
  at: number;
}

export interface LoadSettings {
  /** Where to ask, by now; asked in turn. */
  urls: () => readonly string[];
  customers: readonly Customer[];
  /** Each is redeemed by one customer; the load ends when none is left. */
  codes: readonly string[];
  /** As a crowd of so many, each of whom waits for his answer before his next wish; or so many a second, whoever waits. */
  pace: { inFlight: number } | { perSecond: number };
  /** Whether what may be tried again is tried again, with the same key. */
  retries?: boolean;
}

/** Customers who redeem, and a history of what they were told. */
export interface Load {
  wishes: readonly Wish[];
  /** Milliseconds since its beginning, as in the answers. */
  elapsed(): number;
  /** Begins no further wishes, and settles when those under way have their outcome. */
  stop(): Promise<void>;
  /** Settles when no code is left. */
  finished: Promise<void>;
}

const REDEEM = `mutation ($input: RedeemCodeInput!) { redeemCode(input: $input) { id status } }`;
const ANSWER_LIMIT_MS = 20_000;
const RETRY_AFTER_MS = 100;
const PATIENCE_MS = 60_000;

/** What a client may try again although it was no answer of ours that said so. */
const NO_ANSWER = 'NO_ANSWER';

export function startLoad(settings: LoadSettings): Load {
  const { codes, customers, pace } = settings;
  const startedAt = performance.now();
  const wishes: Wish[] = [];
  let isStopped = false;
  const isOver = () => isStopped || wishes.length >= codes.length;
  const one = async () => {
    const turn = wishes.length;
    const [customer, code] = [customers[turn % customers.length], codes[turn]];
    if (!customer || code === undefined) throw new Error('there are neither customers nor codes');
    const wish: Wish = { userId: customer.userId, code, outcome: 'UNANSWERED', answers: [] };
    wishes.push(wish);
    await redeem(settings, customer, wish, { turn, startedAt });
  };
  const finished =
    'inFlight' in pace ? crowd(pace.inFlight, isOver, one) : atRate(pace.perSecond, isOver, one);
  return {
    wishes,
    elapsed: () => performance.now() - startedAt,
    finished,
    stop: () => {
      isStopped = true;
      return finished;
    },
  };
}

async function crowd(size: number, isOver: () => boolean, one: () => Promise<void>): Promise<void> {
  const member = async () => {
    while (!isOver()) await one();
  };
  await Promise.all(Array.from({ length: size }, member));
}

async function atRate(perSecond: number, isOver: () => boolean, one: () => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  const begun: Promise<void>[] = [];
  while (!isOver()) {
    while (!isOver() && begun.length < secondsSince(startedAt) * perSecond) begun.push(one());
    await sleep(2);
  }
  await Promise.all(begun);
}

/** All of the load, to its end. */
export async function playLoad(settings: LoadSettings): Promise<readonly Wish[]> {
  const load = startLoad(settings);
  await load.finished;
  return load.wishes;
}

async function redeem(
  { urls, retries = true }: LoadSettings,
  { token }: Customer,
  wish: Wish,
  { turn, startedAt }: { turn: number; startedAt: number },
): Promise<void> {
  const idempotencyKey = randomUUID();
  const limit = performance.now() + PATIENCE_MS;
  for (let attempt = 0; ; attempt++) {
    const all = urls();
    const asked = performance.now();
    const answer = await ask(all[(turn + attempt) % all.length] ?? '', token, {
      code: wish.code,
      idempotencyKey,
    });
    wish.outcome = answer.outcome;
    const ms = performance.now() - asked;
    wish.answers.push({ outcome: answer.outcome, ms, at: asked - startedAt });
    if (!answer.retryable || !retries || performance.now() > limit) return;
    await sleep(RETRY_AFTER_MS);
  }
}

async function ask(
  url: string,
  token: string,
  input: object,
): Promise<{ outcome: string; retryable: boolean }> {
  try {
    const body = await post(url, token, JSON.stringify({ query: REDEEM, variables: { input } }));
    const { errors } = JSON.parse(body) as {
      errors?: { extensions: { code: string; retryable: boolean } }[];
    };
    const extensions = errors?.[0]?.extensions;
    return extensions
      ? { outcome: extensions.code, retryable: extensions.retryable }
      : { outcome: 'ACCEPTED', retryable: false };
  } catch {
    return { outcome: NO_ANSWER, retryable: true };
  }
}

/** `fetch` looks through all of its connections for each request: with thousands it comes to nothing else. */
const connections = new Agent({ keepAlive: true });

function post(url: string, token: string, body: string): Promise<string> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
  return new Promise((resolve, reject) => {
    request(`${url}/graphql`, { method: 'POST', agent: connections, headers, signal }, (response) => {
      text(response).then(resolve, reject);
    })
      .once('error', reject)
      .end(body);
  });
}

/** How often each answer was given, repetitions included. */
export function tallyAnswers(wishes: readonly Wish[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { answers } of wishes)
    for (const { outcome } of answers) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

/** How many wishes ended so. */
export const countOutcome = (wishes: readonly Wish[], outcome: string): number =>
  wishes.filter((wish) => wish.outcome === outcome).length;

/** Milliseconds; 0 when nothing was answered. */
export const longestAnswer = (wishes: readonly Wish[]): number =>
  Math.max(0, ...wishes.flatMap(({ answers }) => answers.map(({ ms }) => ms)));

/** Milliseconds under which so many with this outcome were answered at their last attempt: 0.99 is the 99th percentile. */
export function percentile(wishes: readonly Wish[], part: number, of = 'ACCEPTED'): number {
  const times = wishes
    .filter(({ outcome }) => outcome === of)
    .map(({ answers }) => answers.at(-1)?.ms ?? 0)
    .sort((one, other) => one - other);
  return times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0;
}

/** Seconds that have passed since a moment of `performance.now()`. */
export const secondsSince = (moment: number): number => (performance.now() - moment) / 1_000;
