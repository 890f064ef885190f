import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createShared } from '../../../../src/context.ts';
import { watchViewer } from '../../../../src/modules/lifecycle/account/watch-viewer.ts';
import { updateNode } from '../../../../src/modules/network/node/update-node.ts';
import { ViewerNodesChangedDocument, ViewerStatusChangedDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { buildNode, buildPlan, buildSubscription, buildUser, unique } from '../../../support/factories.ts';

let api: TestApi;
let actorId: string;
beforeAll(async () => {
  api = await startTestApi();
  actorId = (await buildUser(api.services.db, { role: 'ADMIN' })).id;
});
afterAll(() => api?.close());

async function planWithNode() {
  const tag = unique('tag');
  const { id: planId } = await buildPlan(api.services.db, { nodeTags: [tag] });
  return { planId, node: await buildNode(api.services.db, { tags: [tag], name: 'old' }) };
}

describe('updateNode', () => {
  it('reaches 200 apps within seconds, spread over time', async () => {
    const { services } = api;
    const { planId, node } = await planWithNode();
    const users = await Promise.all(Array.from({ length: 200 }, () => buildUser(services.db)));
    await Promise.all(users.map(({ id: userId }) => buildSubscription(services.db, { userId, planId })));
    const shared = createShared(services, { BATCH_SIZE: 1, REDEMPTION_LOCK: false });
    const selection = { subscriptions: true, nodes: true, devices: [], deviceCount: false };
    const seen: string[] = [];
    const receivedAt: number[] = [];
    const streams = await Promise.all(
      users.map(({ id: userId }) => watchViewer(shared, { userId, selection })),
    );
    streams.map(async (stream) => {
      for await (const account of stream) {
        const name = account.subscriptions?.[0]?.nodes?.[0]?.name ?? '';
        seen.push(name);
        if (name === 'new') receivedAt.push(performance.now());
      }
    });
    // The first poll wakes every stream, because a wake-up before it may have been lost.
    await vi.waitFor(() => expect(seen.length).toBe(400), { timeout: 15_000 });

    const editedAt = performance.now();
    await updateNode(services, { actorId, id: node.id, input: { name: 'new' } });

    await vi.waitFor(() => expect(receivedAt.length).toBeGreaterThanOrEqual(200), { timeout: 15_000 });
    shared.watchedUsers.close();
    const times = receivedAt.map((at) => at - editedAt).sort((one, other) => one - other);
    const busiest = Math.max(
      ...times.map((at) => times.filter((time) => time >= at && time < at + 200).length),
    );
    expect(times.at(-1)).toBeLessThan(10_000);
    expect(Number(times.at(-1)) - Number(times[0])).toBeGreaterThan(1_000);
    expect(busiest).toBeLessThan(100);
  }, 40_000);

  it('sends one message to an app that selects nodes, and none to one that does not', async () => {
    const { db } = api.services;
    const { planId, node } = await planWithNode();
    const user = await api.newUser();
    const { id } = await buildSubscription(db, { userId: user.userId, planId });
    const withNodes = user.subscribe(ViewerNodesChangedDocument);
    const without = user.subscribe(ViewerStatusChangedDocument);
    const first = [await withNodes.next(), await without.next()];
    expect(first[0]?.value.data.viewerChanged.subscriptions).toMatchObject([{ nodes: [{ name: 'old' }] }]);

    const nextWithout = without.next();
    await updateNode(api.services, { actorId, id: node.id, input: { name: 'new' } });
    const { value } = await withNodes.next();
    await db.userSubscription.update({ where: { id }, data: { status: 'STOPPED' } });

    expect(value.data.viewerChanged.subscriptions).toMatchObject([{ nodes: [{ name: 'new' }] }]);
    expect((await nextWithout).value.data.viewerChanged.subscriptions).toEqual([{ id, status: 'STOPPED' }]);
    await Promise.all([withNodes.return?.(), without.return?.()]);
  });
});
