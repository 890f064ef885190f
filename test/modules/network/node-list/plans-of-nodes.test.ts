import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plansOfNodes, plansOfServer } from '../../../../src/modules/network/node-list/plans-of-nodes.ts';
import { isOnline } from '../../../../src/modules/network/server-online.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { buildNode, buildPlan, buildPlanNode, buildServer } from '../../../support/factories.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services?.close());

describe('the plans of nodes and of servers', () => {
  it('are those with a node by its id or by its tag', async () => {
    const { db } = services;
    const { id: serverId } = await buildServer(db);
    const byId = await buildNode(db, { serverId });
    const byTag = await buildNode(db, { serverId, tags: ['a', 'b'], traits: ['disabled'] });
    const elsewhere = await buildNode(db, { tags: ['c'] });
    const plans = [
      await buildPlan(db),
      await buildPlan(db, { nodeTags: ['b', 'x'] }),
      await buildPlan(db, { nodeTags: ['c'] }),
    ];
    const [one, two, three] = plans.map(({ id }) => id);
    await buildPlanNode(db, { planId: one ?? '', nodeId: byId.id });

    expect(await plansOfServer(db, serverId)).toEqual([one, two]);
    expect(await plansOfNodes(db, [byTag.id])).toEqual([two]);
    expect(await plansOfNodes(db, [byId.id, elsewhere.id])).toEqual([one, three]);
    expect(await plansOfNodes(db, [])).toEqual([]);
  });
});

describe('isHeardOf', () => {
  const now = new Date('2026-01-31T12:00:00.000Z');

  it.each([
    [null, false],
    ['2026-01-31T11:59:00.001Z', true],
    ['2026-01-31T11:59:00.000Z', false],
    ['2026-01-31T12:00:01.000Z', true],
  ] as const)('of an agent that was last heard at %s is %s at noon', (at, expected) => {
    expect(isOnline(at === null ? null : new Date(at), now)).toBe(expected);
  });
});
