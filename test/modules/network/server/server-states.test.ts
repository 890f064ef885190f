import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { readServerStates } from '../../../../src/modules/network/server/read-server-states.ts';
import { activateOrders } from '../../../../src/modules/redemption/activate/activate-orders.ts';
import { required } from '../../../../src/platform/required.ts';
import {
  ConfirmServerUsersDocument,
  PropagationDocument,
  PropagationsDocument,
  ServersDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import {
  buildBatch,
  buildCode,
  buildNode,
  buildOrder,
  buildPlanNode,
  buildSubscription,
} from '../../../support/factories.ts';
import { type Agent, AgentMemory, buildFleet } from '../../../support/fleet.ts';

let api: TestApi;
let admin: TestUser;
let db: TestApi['services']['db'];

beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
  db = api.services.db;
});
afterAll(() => api?.close());

async function stateOf({ serverId }: Agent) {
  const states = await readServerStates({ db }, [serverId]);
  return required(states.get(serverId), 'state of the server');
}

const setLastSeen = ({ serverId }: Agent, secondsAgo = 0) =>
  db.$executeRaw`UPDATE servers SET last_seen_at = tessera_now() - make_interval(secs => ${secondsAgo}) WHERE id = ${serverId}::uuid`;
const age = (planId: string, seconds: number) =>
  db.$executeRaw`UPDATE user_subscriptions SET revised_at = tessera_now() - make_interval(secs => ${seconds}) WHERE plan_id = ${planId}::uuid`;

async function confirm(agent: Agent): Promise<void> {
  const { revision } = await new AgentMemory().sync(agent);
  await agent.get(ConfirmServerUsersDocument, { revision: required(revision, 'revision of the list') });
}

describe('server state', () => {
  it('is OFFLINE until the agent is seen, and again one minute later', async () => {
    const { agent } = await buildFleet(api);
    expect(await stateOf(agent)).toMatchObject({ status: 'OFFLINE' });
    await setLastSeen(agent, 55);
    expect(await stateOf(agent)).toMatchObject({ status: 'ONLINE' });
    await setLastSeen(agent, 61);
    expect(await stateOf(agent)).toMatchObject({ status: 'OFFLINE' });
  });

  it('is LAGGING with its lag once a change has been unconfirmed for ten seconds', async () => {
    const { agent, plan } = await buildFleet(api);
    await confirm(agent);
    await setLastSeen(agent);
    expect(await stateOf(agent)).toEqual({ status: 'ONLINE', lagSeconds: null, pendingChanges: 0 });

    for (let made = 0; made < 3; made++) await buildSubscription(db, { planId: plan.id });
    expect(await stateOf(agent)).toMatchObject({ status: 'ONLINE', pendingChanges: 3 });
    await age(plan.id, 42);
    const late = await stateOf(agent);
    expect(late).toMatchObject({ status: 'LAGGING', pendingChanges: 3 });
    expect(late.lagSeconds).toBeGreaterThanOrEqual(42);
    expect(late.lagSeconds).toBeLessThan(60);

    await confirm(agent);
    expect(await stateOf(agent)).toEqual({ status: 'ONLINE', lagSeconds: null, pendingChanges: 0 });
  });

  it('measures the lag of a node change from the first unconfirmed one', async () => {
    const { agent } = await buildFleet(api);
    await confirm(agent);
    await setLastSeen(agent);
    await buildNode(db, { serverId: agent.serverId });
    await db.server.update({
      where: { id: agent.serverId },
      data: { fullListAt: new Date(Date.now() - 30_000) },
    });
    await buildNode(db, { serverId: agent.serverId });

    expect(await stateOf(agent)).toMatchObject({ status: 'LAGGING' });
    await confirm(agent);
    expect(await stateOf(agent)).toMatchObject({ status: 'ONLINE', lagSeconds: null });
  });

  it('ignores changes to plans of other servers', async () => {
    const { agent } = await buildFleet(api);
    const other = await buildFleet(api);
    await confirm(agent);
    await setLastSeen(agent);
    await buildSubscription(db, { planId: other.plan.id });
    await age(other.plan.id, 100);

    expect(await stateOf(agent)).toMatchObject({ status: 'ONLINE', pendingChanges: 0 });
  });

  it('is read for all servers of a page in one query', async () => {
    for (let made = 0; made < 5; made++) await buildFleet(api);
    const queries = vi.spyOn(pg.Client.prototype, 'query');
    const { servers } = await admin.get(ServersDocument, { first: 100 });
    const asked = queries.mock.calls.length;
    queries.mockRestore();

    expect(servers?.nodes.length).toBeGreaterThanOrEqual(5);
    expect(asked).toBeLessThanOrEqual(4);
  });
});

describe('order propagation', () => {
  async function activate(planId: string): Promise<string> {
    const { id: batchId } = await buildBatch(db, { planId });
    const { id: codeId } = await buildCode(db, { batchId });
    const { id } = await buildOrder(db, { codeId });
    await activateOrders(api.services, [id]);
    return id;
  }
  const shown = async (id: string) => (await admin.get(PropagationDocument, { id })).order?.propagation;

  it('counts the servers that have confirmed an activation', async () => {
    const { agent, plan } = await buildFleet(api);
    const other = await api.newAgent();
    const node = await buildNode(db, { serverId: other.serverId });
    await buildPlanNode(db, { planId: plan.id, nodeId: node.id });
    await confirm(agent);
    await confirm(other);
    const id = await activate(plan.id);

    expect(await shown(id)).toEqual({ servers: 2, confirmed: 0 });
    await confirm(agent);
    expect(await shown(id)).toEqual({ servers: 2, confirmed: 1 });
    await confirm(other);
    expect(await shown(id)).toEqual({ servers: 2, confirmed: 2 });
  });

  it('is null until the order is FINISHED, and for callers who are not admins', async () => {
    const user = await api.newUser();
    const { id } = await buildOrder(db, { userId: user.userId });

    expect(await shown(id)).toBeNull();
    await activateOrders(api.services, [id]);
    expect(await shown(id)).toEqual({ servers: 0, confirmed: 0 });
    expect((await user.get(PropagationDocument, { id })).order?.propagation).toBeNull();
  });

  it('takes the same number of statements for fifty orders as for one', async () => {
    const { plan } = await buildFleet(api);
    for (let made = 0; made < 50; made++) await activate(plan.id);
    const count = async (first: number) => {
      const queries = vi.spyOn(pg.Client.prototype, 'query');
      const { orders } = await admin.get(PropagationsDocument, { first });
      expect(orders?.nodes.filter(({ propagation }) => propagation !== null)).toHaveLength(first);
      const asked = queries.mock.calls.length;
      queries.mockRestore();
      return asked;
    };
    await count(1);

    expect(await count(50)).toBe(await count(1));
  });
});
