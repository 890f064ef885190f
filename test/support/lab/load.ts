import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Customer } from './lab.ts';

/** One redemption by a customer, with the responses to all of its attempts. */
export interface Call {
  userId: string;
  code: string;
  /** ACCEPTED, or the error code of the last response; UNANSWERED if there was none. */
  outcome: string;
  responses: CallResponse[];
}

interface CallResponse {
  outcome: string;
  ms: number;
  /** Milliseconds since the start of the load. */
  at: number;
}

export interface LoadSettings {
  /** The current API processes, used in turn. */
  urls: () => readonly string[];
  customers: readonly Customer[];
  /** Each code is redeemed by one customer; the load ends after the last one. */
  codes: readonly string[];
  /** Closed loop with a fixed number of calls in flight, or open loop at a fixed rate. */
  pace: { inFlight: number } | { perSecond: number };
  /** Whether retryable errors are retried with the same key. Default true. */
  retries?: boolean;
}

/** A running load and its history. */
export interface Load {
  calls: readonly Call[];
  /** Milliseconds since the start, comparable to `CallResponse.at`. */
  elapsed(): number;
  /** Starts no further calls, and settles when those in flight have an outcome. */
  stop(): Promise<void>;
  /** Settles when every code has been used. */
  finished: Promise<void>;
}

const REDEEM = `mutation ($input: RedeemCodeInput!) { redeemCode(input: $input) { id status } }`;
const RESPONSE_TIMEOUT_MS = 20_000;
const RETRY_AFTER_MS = 100;
const RETRY_FOR_MS = 60_000;

/** The outcome of an attempt without a response; retryable. */
const NO_RESPONSE = 'NO_RESPONSE';

export function startLoad(settings: LoadSettings): Load {
  const { codes, customers, pace } = settings;
  const startedAt = performance.now();
  const calls: Call[] = [];
  let isStopped = false;
  const isOver = () => isStopped || calls.length >= codes.length;
  const one = async () => {
    const turn = calls.length;
    const [customer, code] = [customers[turn % customers.length], codes[turn]];
    if (!customer || code === undefined) throw new Error('no customers or no codes');
    const call: Call = { userId: customer.userId, code, outcome: 'UNANSWERED', responses: [] };
    calls.push(call);
    await redeem(settings, customer, call, { turn, startedAt });
  };
  const finished =
    'inFlight' in pace ? runConcurrently(pace.inFlight, isOver, one) : atRate(pace.perSecond, isOver, one);
  return {
    calls,
    elapsed: () => performance.now() - startedAt,
    finished,
    stop: () => {
      isStopped = true;
      return finished;
    },
  };
}

async function runConcurrently(size: number, isOver: () => boolean, one: () => Promise<void>): Promise<void> {
  const loop = async () => {
    while (!isOver()) await one();
  };
  await Promise.all(Array.from({ length: size }, loop));
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

/** Runs a load to its end. */
export async function playLoad(settings: LoadSettings): Promise<readonly Call[]> {
  const load = startLoad(settings);
  await load.finished;
  return load.calls;
}

async function redeem(
  { urls, retries = true }: LoadSettings,
  { token }: Customer,
  call: Call,
  { turn, startedAt }: { turn: number; startedAt: number },
): Promise<void> {
  const idempotencyKey = randomUUID();
  const limit = performance.now() + RETRY_FOR_MS;
  for (let attempt = 0; ; attempt++) {
    const all = urls();
    const sentAt = performance.now();
    const response = await ask(all[(turn + attempt) % all.length] ?? '', token, {
      code: call.code,
      idempotencyKey,
    });
    call.outcome = response.outcome;
    const ms = performance.now() - sentAt;
    call.responses.push({ outcome: response.outcome, ms, at: sentAt - startedAt });
    if (!response.retryable || !retries || performance.now() > limit) return;
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
    return { outcome: NO_RESPONSE, retryable: true };
  }
}

/** Not `fetch`, which scans all of its connections on each request: too slow with thousands. */
const connections = new Agent({ keepAlive: true });

function post(url: string, token: string, body: string): Promise<string> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const signal = AbortSignal.timeout(RESPONSE_TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    request(`${url}/graphql`, { method: 'POST', agent: connections, headers, signal }, (response) => {
      text(response).then(resolve, reject);
    })
      .once('error', reject)
      .end(body);
  });
}

/** Counts responses by outcome, retries included. */
export function tallyResponses(calls: readonly Call[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { responses } of calls)
    for (const { outcome } of responses) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

/** The number of calls with this final outcome. */
export const countOutcome = (calls: readonly Call[], outcome: string): number =>
  calls.filter((call) => call.outcome === outcome).length;

/** Milliseconds; 0 without any response. */
export const longestResponse = (calls: readonly Call[]): number =>
  Math.max(0, ...calls.flatMap(({ responses }) => responses.map(({ ms }) => ms)));

/**
 * The percentile of the last attempt's duration in milliseconds, among calls with the outcome `of`.
 */
export function percentile(calls: readonly Call[], share: number, of = 'ACCEPTED'): number {
  const times = calls
    .filter(({ outcome }) => outcome === of)
    .map(({ responses }) => responses.at(-1)?.ms ?? 0)
    .sort((one, other) => one - other);
  return times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
}

/** @param startedAt a value of `performance.now()` */
export const secondsSince = (startedAt: number): number => (performance.now() - startedAt) / 1_000;
