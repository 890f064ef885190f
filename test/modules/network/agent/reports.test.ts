import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { hashServerToken } from '../../../../src/modules/network/server/find-agent.ts';
import { required } from '../../../../src/platform/required.ts';
import {
  ConfirmServerUsersDocument,
  ReportOnlineDocument,
  ReportOnlineUsersDocument,
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
  it('returns the enabled nodes of the agent’s server with their private parts', async () => {
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
  it('records the confirmed revision, which never goes backwards', async () => {
    const { agent, plan } = await buildFleet(api);
    const first = required((await new AgentMemory().sync(agent)).revision, 'revision of the list');
    await buildSubscription(db, { planId: plan.id });
    const second = required((await new AgentMemory().sync(agent)).revision, 'revision of the list');

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
    'rejects the revision %s, which no agent ever got',
    async (revision) => {
      const { agent } = await buildFleet(api);

      const { extensions } = await agent.refused(ConfirmServerUsersDocument, { revision });

      expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'revision' });
      expect(await db.server.findUniqueOrThrow({ where: { id: agent.serverId } })).toMatchObject({
        confirmedRevision: null,
      });
    },
  );

  it('records nothing in the middle of a new list', async () => {
    const { agent, plan } = await buildFleet(api);
    for (let made = 0; made < 3; made++) await buildSubscription(db, { planId: plan.id });
    const { serverUsers } = await agent.get(ServerUsersDocument, { first: 1 });

    const revision = required(serverUsers?.revision, 'revision of the page');

    expect(serverUsers?.hasMore).toBe(true);
    expect(await agent.get(ConfirmServerUsersDocument, { revision })).toEqual({ confirmServerUsers: false });
  });
});

describe('reportOnline', () => {
  it('replaces the connected subscriptions that admins see', async () => {
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

  it('ignores subscriptions of other servers, returns false, and stores the others', async () => {
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
    ['a negative part', { part: -1, entries: [] }, 'BAD_USER_INPUT'],
    ['an eleventh part', { part: 10, entries: [] }, 'BAD_USER_INPUT'],
  ])('rejects %s', async (_what, input, code) => {
    const { agent } = await buildFleet(api);

    expect((await agent.refused(ReportOnlineDocument, { input })).extensions.code).toBe(code);
  });
});

describe('reportOnlineUsers', () => {
  const say = async (
    agent: Awaited<ReturnType<typeof buildFleet>>['agent'],
    entries: { subscriptionId: string; ips: string[] }[],
    part?: number,
  ) => (await agent.get(ReportOnlineUsersDocument, { input: { entries, part } })).reportOnlineUsers;

  it('unites the addresses of a subscription across parts, also if a part is repeated', async () => {
    const { agent, plan } = await buildFleet(api);
    const { id } = await buildSubscription(db, { planId: plan.id });
    const { id: other } = await buildSubscription(db, { planId: plan.id });
    await say(agent, [{ subscriptionId: id, ips: ['192.0.2.1'] }], 0);

    for (const part of [1, 1]) {
      await say(
        agent,
        [
          { subscriptionId: id.toUpperCase(), ips: ['192.0.2.2', '192.0.2.1'] },
          { subscriptionId: other, ips: [] },
        ],
        part,
      );
    }

    const { onlineUsers } = required(await shownServer(agent.serverId), 'server');
    expect(new Map(onlineUsers?.map(({ subscriptionId, ips }) => [subscriptionId, ips]))).toEqual(
      new Map([
        [id, ['192.0.2.1', '192.0.2.2']],
        [other, []],
      ]),
    );
  });

  it.each([
    ['fe80::1%eth0', 'fe80::1'],
    ['1.2.3.4:443', '1.2.3.4'],
    ['[::1]:443', '::1'],
    ['[2001:DB8:0::1]', '2001:db8::1'],
    ['[fe80::1%25eth0]:80', 'fe80::1'],
    [' 192.0.2.1 ', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
  ])('takes the address %s as %s', async (ip, expected) => {
    const { agent, plan } = await buildFleet(api);
    const { id } = await buildSubscription(db, { planId: plan.id });

    expect(await say(agent, [{ subscriptionId: id, ips: [ip] }])).toEqual({
      connected: 1,
      notices: [],
      exceeded: [],
    });
    expect(await shownServer(agent.serverId)).toMatchObject({ onlineUsers: [{ ips: [expected] }] });
  });

  it('names what it cannot store, and stores the rest', async () => {
    const { agent, plan } = await buildFleet(api);
    const { id } = await buildSubscription(db, { planId: plan.id });
    const unknown = randomUUID();
    const odd = ['home', '1.2.3.4:99999999', '', '[::1', 'x'.repeat(500)];

    const receipt = await say(agent, [
      { subscriptionId: '7', ips: ['192.0.2.9'] },
      { subscriptionId: id, ips: [...odd, '192.0.2.1'] },
      { subscriptionId: unknown, ips: [] },
    ]);

    expect(receipt).toEqual({
      connected: 1,
      exceeded: [],
      notices: [
        { index: 0, subscriptionId: '7', reason: 'FOREIGN', ips: [] },
        {
          ...{ index: 1, subscriptionId: id, reason: 'MALFORMED_ADDRESS' },
          ips: odd.map((ip) => ip.slice(0, 100)),
        },
        { index: 2, subscriptionId: unknown, reason: 'FOREIGN', ips: [] },
      ],
    });
    expect(await shownServer(agent.serverId)).toMatchObject({
      onlineUsers: [{ subscriptionId: id, ips: ['192.0.2.1'] }],
    });
  });

  it('unites the entries of a subscription, and counts its first 50 addresses', async () => {
    const { agent, plan } = await buildFleet(api);
    const { id } = await buildSubscription(db, { planId: plan.id });
    const ips = Array.from({ length: 52 }, (_, index) => `192.0.2.${index}`);

    const receipt = await say(agent, [
      { subscriptionId: id, ips: ips.slice(0, 30) },
      { subscriptionId: id.toUpperCase(), ips: ips.slice(20) },
    ]);

    expect(receipt).toEqual({
      connected: 1,
      exceeded: [],
      notices: [
        {
          ...{ index: 1, subscriptionId: id.toUpperCase(), reason: 'TOO_MANY_ADDRESSES' },
          ips: ips.slice(50),
        },
      ],
    });
    expect(await shownServer(agent.serverId)).toMatchObject({ onlineUsers: [{ ips: ips.slice(0, 50) }] });
  });

  it('adds the parts of a long list to its part 0, which replaces the list', async () => {
    const { agent, plan } = await buildFleet(api);
    const ids: string[] = [];
    for (let made = 0; made < 3; made++) ids.push((await buildSubscription(db, { planId: plan.id })).id);
    const [one = '', two = '', three = ''] = ids;
    const entry = (subscriptionId: string) => ({ subscriptionId, ips: [] });

    await say(agent, [entry(one)], 0);
    await say(agent, [entry(two)], 1);
    await say(agent, [entry(three)], 9);
    expect(await shownServer(agent.serverId)).toMatchObject({ onlineCount: 3 });

    await say(agent, [entry(two)]);
    expect(await shownServer(agent.serverId)).toMatchObject({ onlineCount: 1 });
  });
});

describe('reportServerStatus', () => {
  it('stores the load and version that admins see', async () => {
    const { agent } = await buildFleet(api);
    const input = { cpu: 0.25, memory: 0.5, disk: 1, version: '1.2.3' };

    expect(await agent.get(ReportServerStatusDocument, { input })).toEqual({ reportServerStatus: true });
    expect(await shownServer(agent.serverId)).toMatchObject({ cpu: 0.25, agentVersion: '1.2.3' });
  });

  it.each([
    ['cpu', -0.1],
    ['memory', 1.1],
    ['disk', 100],
  ])('rejects a %s of %d', async (name, value) => {
    const { agent } = await buildFleet(api);
    const input = { cpu: 0.5, memory: 0.5, disk: 0.5, version: '1', [name]: value };

    const { extensions } = await agent.refused(ReportServerStatusDocument, { input });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: `input.${name}` });
  });
});

describe('request body limit', () => {
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

  const padded = (bytes: number) =>
    JSON.stringify({ query: '{ plans { id } }', variables: { x: 'x'.repeat(bytes) } });
  /** Sends the body without a Content-Length. */
  const postInChunks = async (body: string, token = '') => {
    const response = await fetch(`${api.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: new Blob([body]).stream(),
      duplex: 'half',
    } as RequestInit);
    return { status: response.status, ...((await response.json()) as { data?: unknown }) };
  };

  it('is 1 MiB with a server token, so that 5,000 entries fit', async () => {
    const { agent } = await buildFleet(api);
    const body = JSON.stringify(report(5_000));

    expect(body.length).toBeGreaterThan(64 * 1_024);
    expect((await post(api.url, body, agent.token)).data).toEqual({ reportOnline: false });
  });

  it('rejects larger bodies with 413, and those over 64 KiB without a server token', async () => {
    const { agent } = await buildFleet(api);

    expect((await post(api.url, padded(1_100_000), agent.token)).status).toBe(413);
    expect((await post(api.url, padded(70_000), admin.token)).status).toBe(413);
    expect((await post(api.url, padded(70_000))).status).toBe(413);
    expect((await post(api.url, padded(70_000), agent.token)).data).toEqual({ plans: expect.any(Array) });
  });

  it.for<string>(['srv_x', `srv_${'A'.repeat(43)}`])(
    'is 64 KiB with a made-up server token, with and without a Content-Length: %s',
    async (token) => {
      expect((await post(api.url, padded(70_000), token)).status).toBe(413);
      expect((await postInChunks(padded(70_000), token)).status).toBe(413);
      expect((await postInChunks(padded(10), token)).data).toEqual({ plans: expect.any(Array) });
    },
  );

  it('is 1 MiB for a body in chunks with a server token', async () => {
    const { agent } = await buildFleet(api);

    expect((await postInChunks(padded(70_000), agent.token)).data).toEqual({ plans: expect.any(Array) });
  });

  it('is 64 KiB again once the token was rotated and the cached result has expired', async () => {
    const { agent } = await buildFleet(api);
    expect((await post(api.url, padded(70_000), agent.token)).status).toBe(200);
    await db.server.update({
      where: { id: agent.serverId },
      data: { tokenHash: hashServerToken('srv_another') },
    });

    const now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now + 11_000);
    const { status } = await post(api.url, padded(70_000), agent.token);
    clock.mockRestore();

    expect(status).toBe(413);
  });
});

describe('last seen time of an agent', () => {
  it('is updated on the first request, but not on every one', async () => {
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
