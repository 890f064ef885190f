import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPlan } from '../../../../src/modules/catalog/plan/create-plan.ts';
import { AuditLogDocument, CreatePlanDocument, type CreatePlanInput } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildNode, unique } from '../../../support/factories.ts';

let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api.close());

const name = () => unique('Plan');

describe('createPlan', () => {
  it('defaults absent limits to unlimited and the status to ON_SALE', async () => {
    const input = { name: `  ${name()} ` };

    const { createPlan: plan } = await admin.get(CreatePlanDocument, { input });

    expect(plan).toEqual({
      id: expect.any(String),
      name: input.name.trim(),
      description: '',
      status: 'ON_SALE',
      trafficLimit: null,
      deviceLimit: null,
      speedLimit: null,
      quota: null,
      resetCycle: 'NEVER',
      version: 1,
    });
  });

  it('stores every field as given, including zero and byte counts beyond the safe integers', async () => {
    const { id: nodeId } = await buildNode(api.services.db);
    const fields = {
      name: name(),
      description: 'Für alle',
      status: 'HIDDEN' as const,
      trafficLimit: '9223372036854775807',
      deviceLimit: 0,
      speedLimit: 1,
      quota: 0,
      resetCycle: 'YEARLY' as const,
    };
    const input = {
      ...fields,
      nodeIds: [nodeId, nodeId.toUpperCase(), nodeId],
      nodeTags: [' eu ', 'eu', 'us'],
    };

    const { createPlan: plan } = await admin.get(CreatePlanDocument, { input });

    expect(plan).toMatchObject(fields);
    expect(
      await api.services.db.plan.findUnique({ where: { id: plan.id }, include: { planNodes: true } }),
    ).toMatchObject({ nodeTags: ['eu', 'us'], planNodes: [{ nodeId }] });
  });

  it('treats null like an absent field', async () => {
    const input = {
      name: name(),
      description: null,
      status: null,
      trafficLimit: null,
      deviceLimit: null,
      speedLimit: null,
      quota: null,
      resetCycle: null,
      nodeIds: null,
      nodeTags: null,
    };

    const { createPlan: plan } = await admin.get(CreatePlanDocument, { input });

    expect(plan).toMatchObject({ description: '', status: 'ON_SALE', resetCycle: 'NEVER', quota: null });
  });

  it.each<[string, Partial<CreatePlanInput>, string]>([
    ['an empty name', { name: '' }, 'input.name'],
    ['a blank name', { name: '   ' }, 'input.name'],
    ['a name of 101 characters', { name: 'x'.repeat(101) }, 'input.name'],
    ['a description that is too long', { description: 'x'.repeat(10_001) }, 'input.description'],
    ['negative traffic', { trafficLimit: '-1' }, 'input.trafficLimit'],
    ['a negative device limit', { deviceLimit: -1 }, 'input.deviceLimit'],
    ['a speed of zero', { speedLimit: 0 }, 'input.speedLimit'],
    ['a negative quota', { quota: -1 }, 'input.quota'],
    ['an empty tag', { nodeTags: ['eu', ' '] }, 'input.nodeTags.1'],
    ['a tag of 51 characters', { nodeTags: ['x'.repeat(51)] }, 'input.nodeTags.0'],
    ['101 tags', { nodeTags: Array.from({ length: 101 }, (_, tag) => `tag-${tag}`) }, 'input.nodeTags'],
    ['1001 nodes', { nodeIds: Array.from({ length: 1_001 }, () => randomUUID()) }, 'input.nodeIds'],
  ])('rejects %s and names the field', async (_, fields, field) => {
    const before = await api.services.db.plan.count();

    const { extensions } = await admin.refused(CreatePlanDocument, { input: { name: name(), ...fields } });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
    expect(await api.services.db.plan.count()).toBe(before);
  });

  it.each<[string, Record<string, unknown>]>([
    ['traffic beyond 64 bits', { trafficLimit: '9223372036854775808' }],
    ['traffic with a fraction', { trafficLimit: '1.5' }],
    ['a device limit beyond 32 bits', { deviceLimit: 2_147_483_648 }],
    ['an unknown status', { status: 'SOLD' }],
    ['a name with a NUL character', { name: 'a\u0000b' }],
  ])('rejects %s', async (_, fields) => {
    const input = { name: name(), ...fields } as CreatePlanInput;

    const { extensions } = await admin.refused(CreatePlanDocument, { input });

    expect(extensions.code).toBe('BAD_USER_INPUT');
  });

  it.each<[string, () => Promise<string> | string]>([
    ['a node that does not exist', () => randomUUID()],
    ['a malformed id', () => 'node-1'],
    ['a deleted node', async () => (await buildNode(api.services.db, { deletedAt: new Date() })).id],
  ])('returns NOT_FOUND for %s and creates no plan', async (_, id) => {
    const { id: real } = await buildNode(api.services.db);
    const input = { name: name(), nodeIds: [real, await id()] };

    const { extensions } = await admin.refused(CreatePlanDocument, { input });

    expect(extensions.code).toBe('NOT_FOUND');
    expect(await api.services.db.plan.count({ where: { name: input.name } })).toBe(0);
  });

  it('records an audit entry with actor, content, request id and IP address', async () => {
    const input = { name: name(), trafficLimit: '42', quota: 2 };

    const answer = await admin.ask(CreatePlanDocument, { input });

    const id = answer.data?.createPlan.id ?? '';
    const { auditLog } = await admin.get(AuditLogDocument, { filter: { targetId: id } });
    expect(auditLog?.nodes).toEqual([
      {
        action: 'createPlan',
        actorId: admin.userId,
        targetId: id,
        before: null,
        after: expect.objectContaining({ id, name: input.name, trafficLimit: '42', quota: 2, nodeIds: [] }),
        requestId: answer.headers.get('x-request-id'),
        ip: '127.0.0.1',
      },
    ]);
  });

  it('creates no plan if the audit entry cannot be written', async () => {
    const { db } = api.services;
    await db.$executeRaw`ALTER TABLE audit_entries ADD CONSTRAINT test_full CHECK (action <> 'createPlan') NOT VALID`;
    const input = { name: name() };

    await expect(createPlan(api.services, { actorId: admin.userId, input })).rejects.toThrow();

    await db.$executeRaw`ALTER TABLE audit_entries DROP CONSTRAINT test_full`;
    expect(await db.plan.count({ where: { name: input.name } })).toBe(0);
  });

  it('rejects callers who are not admins', async () => {
    const [user, agent] = [await api.newUser(), await api.newAgent()];
    const codes = await Promise.all(
      [api.anonymous, user, agent].map(async (client) => {
        const { extensions } = await client.refused(CreatePlanDocument, { input: { name: name() } });
        return extensions.code;
      }),
    );

    expect(codes).toEqual(['UNAUTHENTICATED', 'FORBIDDEN', 'FORBIDDEN']);
  });
});
