import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { activateOrders } from '../../../../src/modules/redemption/activate/activate-orders.ts';
import {
  AuditLogDocument,
  DeletePlanDocument,
  PlansDocument,
  UpdatePlanDocument,
  type UpdatePlanInput,
  ViewerWholeDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import {
  buildBatch,
  buildCode,
  buildNode,
  buildOrder,
  buildPlan,
  buildPlanNode,
  buildSubscription,
} from '../../../support/factories.ts';

let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api?.close());

const update = async (id: string, input: UpdatePlanInput) =>
  (await admin.get(UpdatePlanDocument, { id, input })).updatePlan;
const refused = async (id: string, input: UpdatePlanInput) =>
  (await admin.refused(UpdatePlanDocument, { id, input })).extensions;

describe('updatePlan', () => {
  it('changes the given fields; null makes a limit unlimited and keeps any other field', async () => {
    const { id } = await buildPlan(api.services.db, {
      trafficLimit: 5n,
      deviceLimit: 2,
      quota: 1,
      nodeTags: ['eu'],
    });

    const plan = await update(id, {
      version: 1,
      name: ' New ',
      trafficLimit: null,
      deviceLimit: 0,
      status: null,
      resetCycle: null,
      nodeTags: null,
    });

    expect(plan).toMatchObject({
      ...{
        name: 'New',
        trafficLimit: null,
        deviceLimit: 0,
        quota: 1,
        status: 'ON_SALE',
        resetCycle: 'NEVER',
      },
      ...{ nodeTags: ['eu'], nodeIds: [], version: 2 },
    });
  });

  it('replaces nodes and tags if they are given', async () => {
    const { db } = api.services;
    const { id } = await buildPlan(db, { nodeTags: ['eu'] });
    const [kept, dropped, added] = [await buildNode(db), await buildNode(db), await buildNode(db)];
    for (const { id: nodeId } of [kept, dropped]) await buildPlanNode(db, { planId: id, nodeId });

    const plan = await update(id, { nodeIds: [kept.id, added.id, added.id], nodeTags: ['us'] });

    expect(plan.nodeIds).toEqual([kept.id, added.id].sort());
    expect(plan.nodeTags).toEqual(['us']);
    expect(await update(id, { nodeIds: [], nodeTags: [] })).toMatchObject({ nodeIds: [], nodeTags: [] });
  });

  it('returns EDIT_CONFLICT for an outdated version; without a version the last write wins', async () => {
    const { id } = await buildPlan(api.services.db);
    await update(id, { version: 1, name: 'First' });

    expect(await refused(id, { version: 1, name: 'Second' })).toMatchObject({ code: 'EDIT_CONFLICT' });
    expect(await update(id, { name: 'Third' })).toMatchObject({ name: 'Third', version: 3 });
  });

  it('lets one of ten concurrent edits of the same version succeed', async () => {
    const { id } = await buildPlan(api.services.db);

    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, quota) =>
        admin.ask(UpdatePlanDocument, { id, input: { version: 1, quota } }),
      ),
    );

    const codes = answers.map(({ errors }) => errors?.[0]?.extensions.code ?? 'ok').sort();
    expect(codes).toEqual([...Array(9).fill('EDIT_CONFLICT'), 'ok']);
  });

  it.each<[UpdatePlanInput, string]>([
    [{ name: '' }, 'input.name'],
    [{ trafficLimit: '-1' }, 'input.trafficLimit'],
    [{ speedLimit: 0 }, 'input.speedLimit'],
    [{ quota: -1 }, 'input.quota'],
    [{ nodeTags: [' '] }, 'input.nodeTags.0'],
  ])('rejects %j and names the field', async (input, field) => {
    const { id } = await buildPlan(api.services.db);

    expect(await refused(id, input)).toMatchObject({ code: 'BAD_USER_INPUT', field });
  });

  it('returns NOT_FOUND for an unknown plan or node and changes nothing', async () => {
    const { db } = api.services;
    const { id } = await buildPlan(db);
    const gone = await buildPlan(db, { traits: ['deleted'] });

    for (const missing of [randomUUID(), 'plan-1', gone.id])
      expect(await refused(missing, { name: 'x' })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await refused(id, { name: 'x', nodeIds: [randomUUID()] })).toMatchObject({
      code: 'NOT_FOUND',
      field: 'input.nodeIds',
    });
    expect((await db.plan.findUniqueOrThrow({ where: { id } })).version).toBe(1);
  });

  it('records an audit entry with the state before and after', async () => {
    const { id } = await buildPlan(api.services.db, { name: 'Old', trafficLimit: 5n });
    await update(id, { name: 'New' });

    const { auditLog } = await admin.get(AuditLogDocument, { filter: { targetId: id } });

    expect(auditLog?.nodes).toMatchObject([
      {
        ...{ action: 'updatePlan', actorId: admin.userId },
        ...{ before: { name: 'Old', trafficLimit: '5', version: 1 }, after: { name: 'New', version: 2 } },
      },
    ]);
  });
});

describe('deletePlan', () => {
  it('takes the plan off sale permanently and keeps existing subscriptions', async () => {
    const { db } = api.services;
    const user = await api.newUser();
    const { id: nodeId } = await buildNode(db, { tags: ['of-the-deleted'] });
    const { id } = await buildPlan(db, { nodeTags: ['of-the-deleted'] });
    await buildSubscription(db, { userId: user.userId, planId: id });

    expect((await admin.get(DeletePlanDocument, { id })).deletePlan).toMatchObject({ id, version: 1 });

    const { plans } = await user.get(PlansDocument);
    expect(plans?.map((plan) => plan.id)).not.toContain(id);
    expect((await admin.refused(DeletePlanDocument, { id })).extensions.code).toBe('NOT_FOUND');
    const { viewer } = await user.get(ViewerWholeDocument);
    expect(viewer?.subscriptions).toMatchObject([{ status: 'ACTIVE', plan: { id }, nodes: [{ nodeId }] }]);
  });

  it('fails pending orders and releases the reserved uses of their codes', async () => {
    const { db } = api.services;
    const { id: planId } = await buildPlan(db);
    const { id: batchId } = await buildBatch(db, { planId });
    const { id: codeId } = await buildCode(db, { batchId });
    const { id } = await buildOrder(db, { codeId });

    await admin.get(DeletePlanDocument, { id: planId });
    await activateOrders(api.services, [id]);

    expect(await db.order.findUniqueOrThrow({ where: { id } })).toMatchObject({
      status: 'FAILED',
      failureCode: 'PLAN_NOT_AVAILABLE',
    });
    expect((await db.redemptionCode.findUniqueOrThrow({ where: { id: codeId } })).reservedCount).toBe(0);
  });

  it('returns STILL_IN_USE for the trial plan of the site', async () => {
    const { db } = api.services;
    const { id } = await buildPlan(db);
    const trial = { trialPlanId: id, trialUnitTime: 'DAY', trialQuantity: 1 } as const;
    await db.siteSettings.update({ where: { id: 1 }, data: trial });

    const { extensions } = await admin.refused(DeletePlanDocument, { id });
    await db.siteSettings.update({
      where: { id: 1 },
      data: { trialPlanId: null, trialUnitTime: null, trialQuantity: null },
    });

    expect(extensions.code).toBe('STILL_IN_USE');
    expect((await admin.get(DeletePlanDocument, { id })).deletePlan.id).toBe(id);
  });
});

describe('nodeIds and nodeTags of a plan', () => {
  it('are visible to admins only', async () => {
    const { db } = api.services;
    const user = await api.newUser();
    const { id } = await buildPlan(db, { nodeTags: ['secret plans'] });
    await buildSubscription(db, { userId: user.userId, planId: id });

    const { viewer } = await user.get(ViewerWholeDocument);

    expect(viewer?.subscriptions).toMatchObject([{ plan: { id, nodeIds: null, nodeTags: null } }]);
  });
});
