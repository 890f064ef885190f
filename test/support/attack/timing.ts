import type { LoggedInDevice } from '../going-online.ts';
import { codesIn, send } from './connection.ts';
import { force, ms, type Outcome, percentile, seeded, type Target } from './target.ts';

/** Below the daily limit of 100 wrong guesses per user. */
const OF_USER = 90;

interface Codes {
  disabled: string;
  usedUp: string;
}

/** Compares response times of existing and missing codes, in alternating sequential requests. */
export async function timing(
  target: Target,
  { codes, users, seed }: { codes: Codes; users: readonly LoggedInDevice[]; seed: number },
): Promise<Outcome[]> {
  const random = seeded(seed);
  const missing = () => `ZZZZ${String(random(10 ** 9)).padStart(12, '0')}`;
  const kinds = { missing, disabled: () => codes.disabled, usedUp: () => codes.usedUp };
  const times: Record<keyof typeof kinds, number[]> = { missing: [], disabled: [], usedUp: [] };
  const wrong: string[] = [];
  for (let sample = 0; sample < force.samples; sample++) {
    const user = users[Math.floor(sample / OF_USER)];
    const turns = Object.entries(kinds).sort(() => random(3) - 1);
    for (const [kind, code] of turns) {
      const query = `mutation { redeemCode(input: { code: "${code()}" }) { id } }`;
      const reply = await send(target.url, JSON.stringify({ query }), {
        authorization: `Bearer ${user?.token}`,
      });
      if (!/CODE_(NOT_FOUND|DISABLED|EXHAUSTED)/.test(reply.text)) wrong.push(codesIn(reply.text).join());
      times[kind as keyof typeof kinds].push(reply.tookMs);
    }
  }
  return (['disabled', 'usedUp'] as const).map((kind) => compare(kind, times[kind], times.missing, wrong));
}

function compare(kind: string, times: number[], missing: number[], wrong: string[]): Outcome {
  const [one, other] = [percentile(times, 0.5), percentile(missing, 0.5)];
  const difference = Math.abs(one - other) / other;
  return {
    attack: `response time: missing and ${kind} codes`,
    figure: `medians ${ms(other)} and ${ms(one)} (${(difference * 100).toFixed(1)} %), AUC ${areaUnder(times, missing).toFixed(2)} ${wrong.slice(0, 2).join(' ')}`,
    bound: 'recorded only: the error codes differ anyway',
    ok: wrong.length === 0,
  };
}

/**
 * The probability that a value of one is larger than a value of the other; 0.5 means no difference.
 */
function areaUnder(times: number[], others: number[]): number {
  const all = [...times.map((time) => ({ time, one: 1 })), ...others.map((time) => ({ time, one: 0 }))];
  all.sort((a, b) => a.time - b.time);
  const ranks = all.reduce((sum, { one }, place) => sum + one * (place + 1), 0);
  const area = (ranks - (times.length * (times.length + 1)) / 2) / (times.length * others.length);
  return Math.max(area, 1 - area);
}
