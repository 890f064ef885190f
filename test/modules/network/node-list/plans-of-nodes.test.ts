import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plansOfNodes, plansOfServer } from '../../../../src/modules/network/node-list/plans-of-nodes.ts';
import { IS_ONLINE_SQL } from '../../../../src/modules/network/server-online.ts';
import { required } from '../../../../src/platform/required.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { buildNode, buildPlan, buildPlanNode, buildServer } from '../../../support/factories.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services?.close());

describe('plansOfNodes and plansOfServer', () => {
  it('find plans that contain a node by id or by tag', async () => {
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
    await buildPlanNode(db, { planId: required(one, 'id of the first plan'), nodeId: byId.id });

    expect(await plansOfServer(db, serverId)).toEqual([one, two]);
    expect(await plansOfNodes(db, [byTag.id])).toEqual([two]);
    expect(await plansOfNodes(db, [byId.id, elsewhere.id])).toEqual([one, three]);
    expect(await plansOfNodes(db, [])).toEqual([]);
  });
});

describe('IS_ONLINE_SQL', () => {
  it.each([
    [null, false],
    [59_999, true],
    [60_000, false],
    [-1_000, true],
  ] as const)('of an agent that was last seen %s ms ago is %s', async (agoMs, expected) => {
    const [row] = await services.db.$queryRaw<[{ isOnline: boolean }]>`
      SELECT coalesce(${IS_ONLINE_SQL}, false) AS "isOnline"
      FROM (SELECT tessera_now() - ${agoMs}::int * interval '1 millisecond' AS last_seen_at) s`;

    expect(row.isOnline).toBe(expected);
  });
});
