import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkNodeConfig } from '../../src/modules/network/protocols/node-config.ts';
import { hashServerToken } from '../../src/modules/network/server/find-agent.ts';
import { createNodeNumbers } from '../../src/modules/network/uniproxy/numbers.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import {
  buildNode,
  buildPlan,
  buildPlanNode,
  buildServer,
  buildSubscription,
  inDays,
} from '../support/factories.ts';
import { good } from '../support/node-configs.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

let token: string;
let serverId: string;
let planId: string;
let nodeId: string;
let number: number;
beforeEach(async () => {
  const { db } = api.services;
  token = `srv_${randomBytes(32).toString('base64url')}`;
  serverId = (await buildServer(db, { tokenHash: hashServerToken(token), address: 'berlin.example' })).id;
  planId = (await buildPlan(db, { deviceLimit: 3, speedLimit: 50 })).id;
  nodeId = (await buildNode(db, { serverId, port: 8443 })).id;
  await buildPlanNode(db, { planId, nodeId });
  number = (await createNodeNumbers(api.services)(nodeId)) ?? 0;
});

/** Adds a node with an example config to the server. @returns its number */
async function newNode(example: string, port: number): Promise<number> {
  const { protocol, clientConfig, serverConfig } = good(example);
  const config = checkNodeConfig({ protocol, clientConfig, serverConfig });
  const { id } = await buildNode(api.services.db, {
    ...{ serverId, port, protocol, clientConfig: config.clientConfig },
    ...(config.serverConfig && { serverConfig: config.serverConfig }),
  });
  return (await createNodeNumbers(api.services)(id)) ?? 0;
}

/** A request of a node program. */
function ask(
  name: string,
  {
    body,
    etag,
    ...query
  }: { body?: unknown; etag?: string | null; token?: string; node?: number | string; raw?: string } = {},
) {
  const parameters = new URLSearchParams({
    ...{ node_type: 'shadowsocks', node_id: String(query.node ?? number), token: query.token ?? token },
  });
  const text = query.raw ?? (body === undefined ? undefined : JSON.stringify(body));
  return fetch(`${api.url}/api/v1/server/UniProxy/${name}?${parameters}`, {
    headers: { ...(text && { 'content-type': 'application/json' }), ...(etag && { 'if-none-match': etag }) },
    ...(text !== undefined && { method: 'POST', body: text }),
  });
}

interface User {
  id: number;
  uuid: string;
  speed_limit: number;
  device_limit: number;
}
const usersOf = async (response: Response) => ((await response.json()) as { users: User[] }).users;

describe('the list of users for node programs', () => {
  it('has numbers, credentials and limits, and leaves out users who may not connect', async () => {
    const { db } = api.services;
    const own = await buildSubscription(db, { planId });
    await buildSubscription(db, { planId, traits: ['stopped'] });
    await buildSubscription(db, { planId: (await buildPlan(db)).id });

    const users = await usersOf(await ask('user'));

    expect(users).toEqual([
      { id: expect.any(Number), uuid: own.credential, speed_limit: 50, device_limit: 3 },
    ]);
    expect(await usersOf(await ask('user'))).toEqual(users);
  });

  it('answers 304 while nothing changes, which confirms the list', async () => {
    const { db } = api.services;
    await buildSubscription(db, { planId });
    const first = await ask('user');
    const etag = first.headers.get('etag');
    const confirmed = async () =>
      (await db.server.findUniqueOrThrow({ where: { id: serverId } })).confirmedRevision;
    expect(await confirmed()).toBeNull();

    // A proxy that compresses makes the tag weak.
    const again = await ask('user', { etag: `W/${etag}` });
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect(await confirmed()).not.toBeNull();
    for (const other of ['"u9999999999999999999"', '"u0"', '"x"', '*'])
      expect((await ask('user', { etag: other })).status).toBe(other === '*' ? 304 : 200);

    await buildSubscription(db, { planId });
    const changed = await ask('user', { etag });
    expect(changed.status).toBe(200);
    expect(await usersOf(changed)).toHaveLength(2);
  });
});

describe('reports of traffic by node programs', () => {
  const usedBy = async (id: string) => {
    const { upload, download } = await api.services.db.userSubscription.findUniqueOrThrow({ where: { id } });
    return [upload, download];
  };

  it('are counted once, although a program repeats them', async () => {
    const { db } = api.services;
    const own = await buildSubscription(db, { planId });
    const [user] = await usersOf(await ask('user'));
    const body = { [String(user?.id)]: [100, 2_000] };

    for (let attempt = 0; attempt < 3; attempt += 1) expect((await ask('push', { body })).status).toBe(200);
    await Promise.all([1, 2, 3].map(() => ask('push', { body })));
    expect(await usedBy(own.id)).toEqual([100n, 2_000n]);

    await ask('push', { body: { [String(user?.id)]: [1, 0] } });
    expect(await usedBy(own.id)).toEqual([101n, 2_000n]);
    await db.trafficReport.updateMany({ where: { serverId }, data: { receivedAt: inDays(-1) } });
    await db.trafficReport.deleteMany({ where: { serverId } });
    await ask('push', { body });
    expect(await usedBy(own.id)).toEqual([201n, 4_000n]);
  });

  it('count the rest if a user belongs to another server, and say how many do not', async () => {
    const { db } = api.services;
    const own = await buildSubscription(db, { planId });
    const foreign = await buildSubscription(db, { planId: (await buildPlan(db)).id });
    const [user] = await usersOf(await ask('user'));
    const { number: foreignNumber } = await db.subscriptionNumber.create({
      data: { subscriptionId: foreign.id },
    });

    const response = await ask('push', {
      body: { [String(user?.id)]: [5, 5], [String(foreignNumber)]: [7, 7], '99999999': [1, 1] },
    });

    expect([response.status, response.headers.get('x-refused-users')]).toEqual([200, '2']);
    expect(await usedBy(own.id)).toEqual([5n, 5n]);
    expect(await usedBy(foreign.id)).toEqual([0n, 0n]);
  });

  it.each([
    ['an array', '[]'],
    ['a negative number', '{"1": [-1, 0]}'],
    ['a fraction', '{"1": [0.5, 0]}'],
    ['more than 2^63', '{"1": [99999999999999999999, 0]}'],
    ['one number', '{"1": [1]}'],
    ['text', '{"1": ["1", 0]}'],
    ['a name', '{"x": [1, 1]}'],
    ['null', 'null'],
    ['invalid JSON', '{'],
  ])('refuse %s as a whole', async (_, raw) => {
    const before = await api.services.db.trafficReport.count();
    expect((await ask('push', { raw })).status).toBe(400);
    expect(await api.services.db.trafficReport.count()).toBe(before);
  });

  it('are not read at all without a valid token', async () => {
    const response = await ask('push', { raw: `{"1":"${'x'.repeat(2_000_000)}"}`, token: 'srv_unknown' });
    expect(response.status).toBe(401);
  });

  it('are limited to 1 MiB', async () => {
    expect((await ask('push', { raw: `{"1":[1,1],"x":"${'x'.repeat(1_048_576)}"}` })).status).toBe(413);
  });
});

describe('other requests of node programs', () => {
  it('get the configuration of each protocol', async () => {
    const node = await newNode('VLESS with Reality', 443);

    const config = await ask('config', { node });
    expect(await config.json()).toMatchObject({
      ...{ server_port: 443, host: 'berlin.example', network: 'tcp', tls: 2, flow: 'xtls-rprx-vision' },
      tls_settings: {
        server_name: 'www.example.com',
        dest: 'www.example.com',
        server_port: '443',
        short_id: '0123abcd',
      },
      base_config: { push_interval: 60, pull_interval: 60 },
      routes: [],
    });
    const etag = config.headers.get('etag');
    expect((await ask('config', { node, etag })).status).toBe(304);
    const response = await ask('config', { node: await newNode('AnyTLS', 444) });
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({
      padding_scheme: ['stop=8', '1=100-400'],
      server_name: 'a.example',
    });
    expect(text).not.toContain('PRIVATE KEY');
    expect(await (await ask('config')).json()).toMatchObject({ server_port: 8443, cipher: 'aes-256-gcm' });
  });

  it('store who is online, and the load of the server', async () => {
    const { db, redis } = api.services;
    const own = await buildSubscription(db, { planId });
    const [user] = await usersOf(await ask('user'));

    expect((await ask('alive', { body: { [String(user?.id)]: [`203.0.113.7_${number}`] } })).status).toBe(
      200,
    );
    expect(await redis.hgetall(`server_online:${serverId}`)).toEqual({ [own.id]: '203.0.113.7' });
    const elsewhere = await buildServer(db);
    await redis.hset(`server_online:${elsewhere.id}`, own.id, '203.0.113.7 203.0.113.8');
    const { alive } = (await (await ask('alivelist')).json()) as { alive: Record<string, number> };
    expect(alive[String(user?.id)]).toBe(2);

    const load = {
      cpu: 12.5,
      mem: { total: 8, used: 2 },
      swap: { total: 0, used: 0 },
      disk: { total: 10, used: 5 },
    };
    expect((await ask('status', { body: load })).status).toBe(200);
    expect(await db.server.findUnique({ where: { id: serverId } })).toMatchObject({
      cpu: 0.125,
      memory: 0.25,
      disk: 0.5,
    });
  });

  it.each([
    ['an unknown token', { token: 'srv_unknown' }],
    ['no token', { token: '' }],
    ['an unknown node', { node: 999_999 }],
    ['a malformed node', { node: "1' OR 1=1" }],
    ['a node that is too large', { node: '99999999999999999999' }],
  ])('are refused with %s, all in the same way', async (_, query) => {
    for (const name of ['config', 'user']) {
      const response = await ask(name, query);
      const { errors } = (await response.json()) as {
        errors: { message: string; extensions: { code: string } }[];
      };
      expect([response.status, errors[0]?.extensions.code]).toEqual([401, 'UNAUTHENTICATED']);
    }
  });

  it('are refused for the node of another server', async () => {
    const { db } = api.services;
    const other = (await createNodeNumbers(api.services)((await buildNode(db)).id)) ?? 0;
    expect((await ask('user', { node: other })).status).toBe(401);
  });
});
