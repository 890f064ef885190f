import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/platform/graphql/limits.ts';
import { startTestApi, type TestApi, type TestUser } from '../../support/api.ts';
import type { Client } from '../../support/client.ts';
import { createGate } from '../../support/gate.ts';

const QUEUED = 20;
const IMMEDIATELY_MS = 300;

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

/** Starts a request, and never sends the rest of its body. */
async function startSlowly(): Promise<Socket> {
  const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.write(
    'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
  );
  return socket;
}

/** Blocks all reads of subscriptions. Returns a function that unblocks them. */
async function blockReads(): Promise<() => Promise<void>> {
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

/** Sends requests, which queue up, until one is rejected immediately. */
async function firstRejection(): Promise<{ refused: Response; ms: number }> {
  for (;;) {
    const asked = performance.now();
    const refused = await Promise.race([ask(), sleep(IMMEDIATELY_MS)]);
    if (refused?.status === 503) return { refused, ms: performance.now() - asked };
  }
}

describe('requests beyond the concurrency limit', () => {
  it('are queued, and rejected immediately with 503 once the queue is overloaded', async () => {
    const unblock = await blockReads();
    const accepted = Array.from({ length: LIMITS.requests + QUEUED }, ask);
    const { refused, ms } = await firstRejection();
    const { errors } = (await refused.json()) as { errors: { extensions: object }[] };
    const alive = await fetch(`${api.url}/livez`);
    const agentAsks = post('{ __typename }', agent.token);
    await unblock();
    const ofAgent = await agentAsks;
    const answers = await Promise.all(accepted);

    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(errors).toEqual([
      {
        message: 'The service is overloaded. Try again shortly.',
        extensions: {
          ...{ code: 'SERVICE_UNAVAILABLE', retryable: true, retryAfterSeconds: 1 },
          requestId: expect.any(String),
        },
      },
    ]);
    expect(ms).toBeLessThan(IMMEDIATELY_MS);
    expect([alive.status, ofAgent.status]).toEqual([200, 200]);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(LIMITS.requests);
    expect((await ask()).status).toBe(200);
  });

  it('do not count while their bodies are incomplete', async () => {
    const slow = await Promise.all(Array.from({ length: LIMITS.requests + QUEUED }, startSlowly));
    await sleep(LIMITS.requestQueueTargetMs);

    const answer = await ask();

    for (const socket of slow) socket.destroy();
    expect(answer.status).toBe(200);
  });
});
