import { randomBytes } from 'node:crypto';
import { unpack } from 'msgpackr';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkNodeConfig } from '../../src/modules/network/protocols/node-config.ts';
import { hashServerToken } from '../../src/modules/network/server/find-agent.ts';
import { createNodeNumbers } from '../../src/modules/network/uniproxy/numbers.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import { buildNode, buildPlan, buildServer, buildSubscription } from '../support/factories.ts';
import { good } from '../support/node-configs.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

let token: string;
let serverId: string;
let planId: string;
/** Of the node with Shadowsocks. */
let number: number;
let shadowsocksId: string;
beforeEach(async () => {
  const { db } = api.services;
  token = `srv_${randomBytes(32).toString('base64url')}`;
  ({ id: serverId } = await buildServer(db, { tokenHash: hashServerToken(token) }));
  ({ id: planId } = await buildPlan(db, { nodeTags: [serverId], deviceLimit: 3 }));
  shadowsocksId = await addNode('Shadowsocks 2022', 8388);
  await addNode('VLESS with Reality', 443);
  number = (await createNodeNumbers(api.services)(shadowsocksId)) ?? 0;
});

async function addNode(example: string, port: number): Promise<string> {
  const { protocol, clientConfig, serverConfig } = good(example);
  const config = checkNodeConfig({ protocol, clientConfig, serverConfig });
  const { id } = await buildNode(api.services.db, {
    ...{ serverId, port, protocol, clientConfig: config.clientConfig, tags: [serverId] },
    ...(config.serverConfig && { serverConfig: config.serverConfig }),
  });
  return id;
}

/** A request as ppanel-node sends it: these parameters, in this order, and bodies in Go's JSON. */
function ask(path: string, { protocol = 'shadowsocks', body = '', etag = '', secret = token } = {}) {
  const query = new URLSearchParams({ protocol, secret_key: secret, server_id: String(number) });
  return fetch(`${api.url}${path}?${query}`, {
    headers: { 'if-none-match': etag, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { method: 'POST', body }),
  });
}

const subscriptionNumber = async (id: string) =>
  (await api.services.db.subscriptionNumber.findUniqueOrThrow({ where: { subscriptionId: id } })).number;

describe('the program of PPanel', () => {
  it('gets all protocols of its server, and 304 until one changes', async () => {
    const response = await fetch(`${api.url}/v2/server/${number}?secret_key=${token}`);
    const { code, data } = (await response.json()) as { code: number; data: { protocols: object[] } };
    expect(code).toBe(200);
    expect(data).toMatchObject({ push_interval: 60, pull_interval: 60, total: 2 });
    expect(data.protocols).toMatchObject([
      {
        type: 'shadowsocks',
        port: 8388,
        enable: true,
        security: 'none',
        cipher: expect.stringMatching(/^2022/),
      },
      {
        ...{ type: 'vless', port: 443, security: 'reality', flow: expect.any(String) },
        reality_private_key: expect.stringMatching(/^[\w-]{43}$/),
        reality_server_port: expect.any(Number),
      },
    ]);

    const again = await fetch(`${api.url}/v2/server/${number}?secret_key=${token}`, {
      headers: { 'if-none-match': response.headers.get('etag') ?? '' },
    });
    expect(again.status).toBe(304);
    const { protocol, config } = (await (await ask('/v1/server/config')).json()) as Record<string, object>;
    expect([protocol, config]).toEqual(['shadowsocks', data.protocols[0]]);
  });

  it('gets the users of the node with its protocol, which confirms them when the tag comes back', async () => {
    const { id, credential } = await buildSubscription(api.services.db, { planId });
    const response = await ask('/v1/server/user', { protocol: 'vless' });
    const { users } = (await response.json()) as { users: object[] };
    expect(users).toEqual([
      { id: await subscriptionNumber(id), uuid: credential, speed_limit: 0, device_limit: 3 },
    ]);
    const etag = response.headers.get('etag') ?? '';
    expect((await ask('/v1/server/user', { protocol: 'vless', etag })).status).toBe(304);
    const { confirmedRevision } = await api.services.db.server.findUniqueOrThrow({ where: { id: serverId } });
    expect(`"u${confirmedRevision}"`).toBe(etag);
  });

  it('counts its traffic once, at the node with its protocol, and stores who is connected', async () => {
    const { id } = await buildSubscription(api.services.db, { planId });
    await ask('/v1/server/user');
    const uid = await subscriptionNumber(id);
    const body = `{"traffic":[{"uid":${uid},"upload":10,"download":20},{"uid":${uid},"upload":1,"download":2}]}`;
    expect(await (await ask('/v1/server/push', { body })).json()).toMatchObject({ code: 200 });
    expect((await ask('/v1/server/push', { body })).status).toBe(200);
    const { upload, download } = await api.services.db.userSubscription.findUniqueOrThrow({ where: { id } });
    expect([upload, download]).toEqual([11n, 22n]);

    // The names of Go's fields, which have no tags there.
    await ask('/v1/server/online', { body: `{"users":[{"UID":${uid},"IP":"203.0.113.7"}]}` });
    await ask('/v1/server/online', { body: `{"users":[{"uid":${uid},"ip":"203.0.113.8"}]}` });
    const online = await api.services.redis.hget(`server_online:${serverId}`, id);
    expect(online?.split(' ').sort()).toEqual(['203.0.113.7', '203.0.113.8']);

    await ask('/v1/server/status', { body: '{"cpu":50.5,"mem":25,"disk":10,"updated_at":1790000000000}' });
    expect(await api.services.db.server.findUnique({ where: { id: serverId } })).toMatchObject({
      ...{ cpu: 0.505, memory: 0.25, disk: 0.1 },
    });
  });

  it.each([
    ['an unknown token', { secret: 'srv_unknown' }],
    ['a protocol that the server does not have', { protocol: 'tuic' }],
    ['an unknown protocol', { protocol: 'wireguard' }],
  ])('gets 401 for %s', async (_case, options) => {
    expect((await ask('/v1/server/user', options)).status).toBe(401);
  });

  it.each([
    ['/v1/server/push', '{"traffic":[{"uid":1,"upload":-1,"download":0}]}'],
    ['/v1/server/push', '{"traffic":[{"uid":1,"upload":0.5,"download":0}]}'],
    ['/v1/server/push', '{"traffic":{"uid":1}}'],
    ['/v1/server/push', '[]'],
    ['/v1/server/online', '{"users":[{"uid":"1","ip":"203.0.113.7"}]}'],
    ['/v1/server/online', '{"users":7}'],
    ['/v1/server/status', '{"cpu":"high"}'],
  ])('is refused with 400 at %s for %s', async (path, body) => {
    expect((await ask(path, { body })).status).toBe(400);
  });
});

it('sends the users to V2bX in MessagePack', async () => {
  const { credential } = await buildSubscription(api.services.db, { planId });
  const query = new URLSearchParams({ node_type: 'shadowsocks', node_id: String(number), token });
  const response = await fetch(`${api.url}/api/v1/server/UniProxy/user?${query}`, {
    headers: { 'x-response-format': 'msgpack' },
  });
  expect(response.headers.get('content-type')).toBe('application/x-msgpack');
  expect(unpack(Buffer.from(await response.arrayBuffer()))).toEqual({
    users: [expect.objectContaining({ uuid: credential, device_limit: 3 })],
  });
});
