import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createShared } from '../../../../src/context.ts';
import { watchViewer } from '../../../../src/modules/lifecycle/account/watch-viewer.ts';
import { updateNode } from '../../../../src/modules/network/node/update-node.ts';
import { ViewerNodesChangedDocument, ViewerStatusChangedDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { buildNode, buildPlan, buildSubscription, buildUser, unique } from '../../../support/factories.ts';
import { statementsOf } from '../../../support/statements.ts';

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
  it('reaches 200 apps within seconds, which share a few transactions', async () => {
    const { services } = api;
    const { planId, node } = await planWithNode();
    const users = await Promise.all(Array.from({ length: 200 }, () => buildUser(services.db)));
    await Promise.all(users.map(({ id: userId }) => buildSubscription(services.db, { userId, planId })));
    const shared = createShared(services, { BATCH_SIZE: 1, REDEMPTION_LOCK: false });
    const selection = { subscriptions: true, nodes: true, devices: [], deviceCount: false };
    const seen: string[] = [];
    let received = 0;
    const streams = await Promise.all(
      users.map(({ id: userId }) => watchViewer(shared, { userId, selection })),
    );
    streams.map(async (stream) => {
      for await (const account of stream) {
        const name = account.subscriptions?.[0]?.nodes?.[0]?.name ?? '';
        seen.push(name);
        if (name === 'new') received += 1;
      }
    });
    // The first poll wakes every stream, because a wake-up before it may have been lost.
    await vi.waitFor(() => expect(seen.length).toBe(400), { timeout: 15_000 });

    const { control } = await statementsOf(async () => {
      await updateNode(services, { actorId, id: node.id, input: { name: 'new' } });
      await vi.waitFor(() => expect(received).toBe(200), { timeout: 5_000 });
    });

    shared.watchedUsers.close();
    expect(control.filter((sql) => sql.startsWith('BEGIN')).length).toBeLessThanOrEqual(10);
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
