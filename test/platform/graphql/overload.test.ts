import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/platform/graphql/limits.ts';
import { startTestApi, type TestApi, type TestUser } from '../../support/api.ts';
import type { Client } from '../../support/client.ts';
import { createGate } from '../../support/gate.ts';

const LINE = 20;
const AT_ONCE_MS = 300;

let api: TestApi;
let user: TestUser;
let agent: Client;
beforeAll(async () => {
  api = await startTestApi();
  user = await api.newUser();
  agent = await api.newAgent();
});
afterAll(() => api?.close());

const post = (query: string, token = user.token) =>
  fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  });
const ask = () => post('{ viewer { subscriptions { id } } }');

/** A request of whose body half never comes. */
async function startSlowly(): Promise<Socket> {
  const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.write(
    'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
  );
  return socket;
}

/** Nobody can read subscriptions until it is let go. */
async function holdUp(): Promise<() => Promise<void>> {
  const [held, over] = [createGate(), createGate()];
  const holding = api.services.db.$transaction(async (tx) => {
    await tx.$executeRaw`LOCK TABLE user_subscriptions IN ACCESS EXCLUSIVE MODE`;
    held.pass();
    await over.passed;
  });
  await Promise.race([held.passed, holding]);
  return () => {
    over.pass();
    return holding;
  };
}

/** Asks until somebody is refused at once; whoever is not, waits in line. */
async function refusedAtOnce(): Promise<{ refused: Response; ms: number }> {
  for (;;) {
    const asked = performance.now();
    const refused = await Promise.race([ask(), sleep(AT_ONCE_MS)]);
    if (refused?.status === 503) return { refused, ms: performance.now() - asked };
  }
}

describe('more requests than can be worked on', () => {
  it('wait in line, and once that is long are refused at once, with nothing done', async () => {
    const letGo = await holdUp();
    const inside = Array.from({ length: LIMITS.requests + LINE }, ask);
    const { refused, ms } = await refusedAtOnce();
    const { errors } = (await refused.json()) as { errors: { extensions: object }[] };
    const alive = await fetch(`${api.url}/livez`);
    const agentAsks = post('{ __typename }', agent.token);
    await letGo();
    const ofAgent = await agentAsks;
    const answers = await Promise.all(inside);

    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(errors).toEqual([
      {
        message: 'More is asked than can be done. Try again shortly.',
        extensions: {
          ...{ code: 'SERVICE_UNAVAILABLE', retryable: true, retryAfterSeconds: 1 },
          requestId: expect.any(String),
        },
      },
    ]);
    expect(ms).toBeLessThan(AT_ONCE_MS);
    expect([alive.status, ofAgent.status]).toEqual([200, 200]);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(LIMITS.requests);
    expect((await ask()).status).toBe(200);
  });

  it('whose bodies have not arrived take nobody’s place', async () => {
    const slow = await Promise.all(Array.from({ length: LIMITS.requests + LINE }, startSlowly));
    await sleep(LIMITS.requestQueueTargetMs);

    const answer = await ask();

    for (const socket of slow) socket.destroy();
    expect(answer.status).toBe(200);
  });
});
