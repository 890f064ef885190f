import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLogger } from '../../src/platform/logger.ts';
import { createServices, type RunningServices } from '../../src/platform/services.ts';
import {
  DeleteNodeDocument,
  RotateSubscriptionCredentialsDocument,
  ViewerNodesDocument,
} from '../generated/graphql.ts';
import type { Client } from '../support/client.ts';
import { buildNode, buildPlan, buildSubscription, unique } from '../support/factories.ts';
import { newLoggedInDevice } from '../support/going-online.ts';
import { type Cluster, startCluster } from '../support/processes.ts';
import { TEST_SECRET_KEY } from '../support/services.ts';

/** The documented bound for another process that gets no wake-ups. */
const LONGEST_MS = 2_000;

let cluster: Cluster;
let services: RunningServices;
let admin: Client;
beforeAll(async () => {
  cluster = await startCluster({ api: 2, workers: 0 });
  services = await createServices({
    ...{ databaseUrl: cluster.postgres.url, redisUrl: cluster.redis.url, secretKey: TEST_SECRET_KEY },
    ...{ rateLimits: false, log: createLogger('silent') },
  });
  admin = await cluster.admin(0);
}, 60_000);
afterAll(async () => {
  await services?.close();
  expect(await cluster.stop()).toEqual([]);
});

async function newCustomer() {
  const { userId, token } = await newLoggedInDevice(services);
  const tag = unique('tag');
  const { id: planId } = await buildPlan(services.db, { nodeTags: [tag] });
  const node = await buildNode(services.db, { tags: [tag] });
  await buildNode(services.db, { tags: [tag] });
  const { id: subscriptionId } = await buildSubscription(services.db, { userId, planId });
  return { nodeId: node.id, subscriptionId, here: cluster.client(0, token), there: cluster.client(1, token) };
}

async function nodesSeenBy(client: Client) {
  const { viewer } = await client.get(ViewerNodesDocument);
  return viewer?.subscriptions[0]?.nodes ?? [];
}

/**
 * Asks the other process incessantly, so that its caches are warm, before and after the change.
 *
 * @returns milliseconds from the response to the change until the last stale response
 */
async function staleFor(customer: Customer, change: () => Promise<unknown>): Promise<number> {
  const before = await nodesSeenBy(customer.here);
  for (let read = 0; read < 5; read++) expect(await nodesSeenBy(customer.there)).toEqual(before);
  await change();
  const changedAt = performance.now();
  expect(await nodesSeenBy(customer.here)).not.toEqual(before);
  let staleAt = changedAt;
  while (performance.now() < changedAt + 1.5 * LONGEST_MS) {
    const askedAt = performance.now();
    if (isDeepStrictEqual(await nodesSeenBy(customer.there), before)) staleAt = askedAt;
    await sleep(20);
  }
  return staleAt - changedAt;
}

type Customer = Awaited<ReturnType<typeof newCustomer>>;

describe.each([
  ['with wake-ups', () => {}, () => {}],
  ['while Redis is frozen', () => cluster.redis.freeze(), () => cluster.redis.resume()],
])('another process, %s,', (_, before, after) => {
  it.each<[string, (customer: Customer) => Promise<unknown>]>([
    ['a deleted node', ({ nodeId }) => admin.get(DeleteNodeDocument, { id: nodeId })],
    [
      'a rotated credential',
      ({ subscriptionId }) => admin.get(RotateSubscriptionCredentialsDocument, { id: subscriptionId }),
    ],
  ])(
    'stops to serve %s within two seconds, and the same process immediately',
    async (_name, change) => {
      const customer = await newCustomer();
      before();
      try {
        expect(await staleFor(customer, () => change(customer))).toBeLessThan(LONGEST_MS);
      } finally {
        after();
      }
    },
    30_000,
  );
});
