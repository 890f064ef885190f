import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  ConfirmServerUsersDocument,
  ReportOnlineDocument,
  ReportServerStatusDocument,
  ServerConfigDocument,
  ServersDocument,
  ServerUsersDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { post } from '../../../support/client.ts';
import { buildNode, buildSubscription } from '../../../support/factories.ts';
import { AgentMemory, buildFleet } from '../../../support/fleet.ts';

let api: TestApi;
let admin: TestUser;
let db: TestApi['services']['db'];

beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
  db = api.services.db;
});
afterAll(() => api?.close());

async function shownServer(id: string) {
  const { servers } = await admin.get(ServersDocument, { first: 100 });
  const server = servers?.nodes.find((one) => one.id === id);
  if (!server) throw new Error('the server is not listed');
  return server;
}

describe('serverConfig', () => {
  it('gives the enabled nodes of its own server, the private parts too', async () => {
    const { agent, nodeId } = await buildFleet(api);
    await buildFleet(api);
    await db.node.update({ where: { id: nodeId }, data: { serverConfig: { privateKey: 'k' }, ratio: 1.5 } });
    await buildNode(db, { serverId: agent.serverId, traits: ['disabled'] });
    await buildNode(db, { serverId: agent.serverId, traits: ['deleted'] });

    const { serverConfig } = await agent.get(ServerConfigDocument);

    expect(serverConfig).toMatchObject({
      serverId: agent.serverId,
      nodes: [
        {
          ...{ id: nodeId, protocol: 'SHADOWSOCKS', address: '192.0.2.1', port: 8388, ratio: 1.5 },
          ...{ clientConfig: { method: 'aes-256-gcm' }, serverConfig: { privateKey: 'k' } },
        },
      ],
    });
  });
});

describe('confirmServerUsers', () => {
  it('notes how far the agent is, and never goes backwards', async () => {
    const { agent, plan } = await buildFleet(api);
    const first = (await new AgentMemory().sync(agent)).revision ?? '';
    await buildSubscription(db, { planId: plan.id });
    const second = (await new AgentMemory().sync(agent)).revision ?? '';

    expect(await agent.get(ConfirmServerUsersDocument, { revision: second })).toEqual({
      confirmServerUsers: true,
    });
    expect(await agent.get(ConfirmServerUsersDocument, { revision: first })).toEqual({
      confirmServerUsers: false,
    });
    expect(await agent.get(ConfirmServerUsersDocument, { revision: second })).toEqual({
      confirmServerUsers: true,
    });
    const server = await db.server.findUniqueOrThrow({ where: { id: agent.serverId } });
    expect(server.confirmedRevision).toBe(BigInt(second));
  });

  it.each(['-1', '9223372036854775807'])(
    'refuses the revision %s, which nobody was given',
    async (revision) => {
      const { agent } = await buildFleet(api);

      const { extensions } = await agent.refused(ConfirmServerUsersDocument, { revision });

      expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'revision' });
      expect(await db.server.findUniqueOrThrow({ where: { id: agent.serverId } })).toMatchObject({
        confirmedRevision: null,
      });
    },
  );

  it('notes nothing in the middle of a new list', async () => {
    const { agent, plan } = await buildFleet(api);
    for (let made = 0; made < 3; made++) await buildSubscription(db, { planId: plan.id });
    const { serverUsers } = await agent.get(ServerUsersDocument, { first: 1 });

    const revision = serverUsers?.revision ?? '';

    expect(serverUsers?.hasMore).toBe(true);
    expect(await agent.get(ConfirmServerUsersDocument, { revision })).toEqual({ confirmServerUsers: false });
  });
});

describe('reportOnline', () => {
  it('shows admins who is connected, in the place of what was said before', async () => {
    const { agent, plan } = await buildFleet(api);
    const { id: one } = await buildSubscription(db, { planId: plan.id });
    const { id: other } = await buildSubscription(db, { planId: plan.id });
    const say = (...ids: string[]) =>
      agent.get(ReportOnlineDocument, {
        input: {
          entries: ids.map((subscriptionId) => ({ subscriptionId, ips: ['192.0.2.7', '2001:db8::1'] })),
        },
      });

    expect(await say(one, other)).toEqual({ reportOnline: true });
    expect(await shownServer(agent.serverId)).toMatchObject({ onlineCount: 2 });
    expect(await say(other)).toEqual({ reportOnline: true });
    expect(await shownServer(agent.serverId)).toMatchObject({
      onlineCount: 1,
      onlineUsers: [{ subscriptionId: other, ips: ['192.0.2.7', '2001:db8::1'] }],
    });
    expect(await say()).toEqual({ reportOnline: true });
    expect(await shownServer(agent.serverId)).toMatchObject({ onlineCount: 0, onlineUsers: [] });
  });

  it('leaves out what is of another server, says so, and keeps the rest', async () => {
    const { agent, plan } = await buildFleet(api);
    const other = await buildFleet(api);
    const { id: own } = await buildSubscription(db, { planId: plan.id });
    const { id: foreign } = await buildSubscription(db, { planId: other.plan.id });
    const entries = [own, foreign, randomUUID()].map((subscriptionId) => ({ subscriptionId, ips: [] }));

    expect(await agent.get(ReportOnlineDocument, { input: { entries } })).toEqual({ reportOnline: false });
    expect(await shownServer(agent.serverId)).toMatchObject({
      onlineUsers: [{ subscriptionId: own, ips: [] }],
    });
    expect(await shownServer(other.agent.serverId)).toMatchObject({ onlineCount: 0 });
  });

  it.each([
    [
      '5,001 entries',
      { entries: Array(5_001).fill({ subscriptionId: randomUUID(), ips: [] }) },
      'BAD_USER_INPUT',
    ],
    [
      '51 addresses',
      { entries: [{ subscriptionId: randomUUID(), ips: Array(51).fill('192.0.2.1') }] },
      'BAD_USER_INPUT',
    ],
    [
      'an address that is none',
      { entries: [{ subscriptionId: randomUUID(), ips: ['home'] }] },
      'BAD_USER_INPUT',
    ],
    ['an id that is none', { entries: [{ subscriptionId: '7', ips: [] }] }, 'NOT_FOUND'],
  ])('refuses %s', async (_what, input, code) => {
    const { agent } = await buildFleet(api);

    expect((await agent.refused(ReportOnlineDocument, { input })).extensions.code).toBe(code);
  });
});

describe('reportServerStatus', () => {
  it('is shown to admins', async () => {
    const { agent } = await buildFleet(api);
    const input = { cpu: 0.25, memory: 0.5, disk: 1, version: '1.2.3' };

    expect(await agent.get(ReportServerStatusDocument, { input })).toEqual({ reportServerStatus: true });
    expect(await shownServer(agent.serverId)).toMatchObject({ cpu: 0.25, agentVersion: '1.2.3' });
  });

  it.each([
    ['cpu', -0.1],
    ['memory', 1.1],
    ['disk', 100],
  ])('refuses a %s of %d', async (name, value) => {
    const { agent } = await buildFleet(api);
    const input = { cpu: 0.5, memory: 0.5, disk: 0.5, version: '1', [name]: value };

    const { extensions } = await agent.refused(ReportServerStatusDocument, { input });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: `input.${name}` });
  });
});

describe('the body of a request', () => {
  const report = (entries: number) => ({
    query: 'mutation ($input: ReportOnlineInput!) { reportOnline(input: $input) }',
    variables: {
      input: {
        entries: Array.from({ length: entries }, () => ({
          subscriptionId: randomUUID(),
          ips: ['192.0.2.1'],
        })),
      },
    },
  });

  it('may be a megabyte with the token of a server: 5,000 entries fit', async () => {
    const { agent } = await buildFleet(api);
    const body = JSON.stringify(report(5_000));

    expect(body.length).toBeGreaterThan(64 * 1_024);
    expect((await post(api.url, body, agent.token)).data).toEqual({ reportOnline: false });
  });

  it('is refused beyond that, and beyond 64 KiB for everybody else', async () => {
    const { agent } = await buildFleet(api);
    const padded = (bytes: number) => JSON.stringify({ query: `{ plans { id } }${' '.repeat(bytes)}` });

    expect((await post(api.url, padded(1_100_000), agent.token)).status).toBe(413);
    expect((await post(api.url, padded(70_000), admin.token)).status).toBe(413);
    expect((await post(api.url, padded(70_000))).status).toBe(413);
    expect((await post(api.url, padded(70_000), agent.token)).status).toBe(200);
  });
});

describe('an agent that is heard of', () => {
  it('is written down, and not with every request', async () => {
    const { agent } = await buildFleet(api);
    await agent.get(ServerConfigDocument);
    const seenAt = await vi.waitFor(async () => {
      const { lastSeenAt } = await db.server.findUniqueOrThrow({ where: { id: agent.serverId } });
      if (!lastSeenAt) throw new Error('not yet');
      return lastSeenAt;
    });
    for (let asked = 0; asked < 5; asked++) await agent.get(ServerConfigDocument);

    const { lastSeenAt } = await db.server.findUniqueOrThrow({ where: { id: agent.serverId } });
    expect(lastSeenAt).toEqual(seenAt);
  });
});
