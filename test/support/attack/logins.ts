import { setTimeout as sleep } from 'node:timers/promises';
import { send } from './connection.ts';
import { force, ms, type Outcome, percentile, type Target } from './target.ts';

const CLIENTS = 300;

/** Sends logins with a valid password, hundreds at the same time, while another user reads. */
export async function logins(
  target: Target,
  { email, password, victim }: { email: string; password: string; victim: string },
): Promise<Outcome[]> {
  const query = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }';
  const body = JSON.stringify({ query, variables: { input: { email, password } } });
  const endsAt = performance.now() + force.rootFieldsMs;
  const isOver = () => performance.now() > endsAt;
  const outcomes = new Map<string, number>();
  // Each client tries once a second: five times as often as would fill all slots without limits.
  const lane = async (_: unknown, place: number) => {
    await sleep((place * 1_000) / CLIENTS);
    while (!isOver()) {
      const { text } = await send(target.url, body);
      const outcome = /"code":"([A-Z_]+)"/.exec(text)?.[1] ?? 'OK';
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      await sleep(1_000);
    }
  };
  const times: number[] = [];
  const failures: string[] = [];
  const others = async () => {
    for (let read = 0; !isOver(); read++) {
      const viewer = JSON.stringify({ query: `query q${read} { viewer { id } }` });
      const { status, text, tookMs } = await send(target.url, viewer, { authorization: `Bearer ${victim}` });
      times.push(tookMs);
      if (status !== 200 || !text.startsWith('{"data":{"viewer":{')) failures.push(text.slice(0, 100));
      await sleep(20);
    }
  };
  await Promise.all([others(), ...Array.from({ length: CLIENTS }, lane)]);
  const p95 = percentile(times, 0.95);
  const bound = 250 * force.slack;
  const counts = [...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(', ');
  return [
    {
      attack: `${CLIENTS} clients that log in with one valid account`,
      figure: `${counts}; others: ${times.length} reads, p95 ${ms(p95)}, ${failures.length} failed ${failures[0] ?? ''}`,
      bound: `others within ${bound} ms, and some logins accepted`,
      ok: failures.length === 0 && p95 <= bound && (outcomes.get('OK') ?? 0) > 0,
    },
  ];
}
