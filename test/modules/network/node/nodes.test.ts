import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reportPortConflicts } from '../../../../src/modules/network/node/report-port-conflicts.ts';
import { openConfig } from '../../../../src/modules/network/protocols/private-config.ts';
import {
  AuditLogDocument,
  CreateNodeDocument,
  type CreateNodeInput,
  DeleteNodeDocument,
  NodesDocument,
  UpdateNodeDocument,
  type UpdateNodeInput,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildNode, buildServer, unique } from '../../../support/factories.ts';
import { CANARY, GOOD, good } from '../../../support/node-configs.ts';

let api: TestApi;
let admin: TestUser;
let serverId: string;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
  serverId = (await buildServer(api.services.db, { address: 'fra1.example' })).id;
});
afterAll(() => api?.close());

let lastPort = 10_000;
const input = (fields: Partial<CreateNodeInput> = {}): CreateNodeInput => ({
  serverId,
  name: unique('Node'),
  protocol: 'SHADOWSOCKS',
  port: ++lastPort,
  clientConfig: { method: 'aes-256-gcm' },
  ...fields,
});
const create = async (fields: Partial<CreateNodeInput> = {}) =>
  (await admin.get(CreateNodeDocument, { input: input(fields) })).createNode;
const update = async (id: string, fields: UpdateNodeInput) =>
  (await admin.get(UpdateNodeDocument, { id, input: fields })).updateNode;
async function stored(id: string) {
  const node = await api.services.db.node.findUniqueOrThrow({ where: { id } });
  return { ...node, serverConfig: openConfig(api.services, node) };
}

const BAD_FIELDS: [string, Partial<CreateNodeInput>, string][] = [
  ['an empty name', { name: ' ' }, 'input.name'],
  ['a name of 101 characters', { name: 'x'.repeat(101) }, 'input.name'],
  ['a malformed address', { address: 'http://x' }, 'input.address'],
  ['port 0', { port: 0 }, 'input.port'],
  ['port 65536', { port: 65_536 }, 'input.port'],
  ['an empty tag', { tags: ['eu', ' '] }, 'input.tags.1'],
  ['101 tags', { tags: Array.from({ length: 101 }, (_, tag) => `tag-${tag}`) }, 'input.tags'],
  ['a negative ratio', { ratio: -1 }, 'input.ratio'],
  ['a ratio of five decimals', { ratio: 1.000_01 }, 'input.ratio'],
  ['a tiny ratio', { ratio: 1e-7 }, 'input.ratio'],
  ['a ratio of 100000', { ratio: 100_000 }, 'input.ratio'],
  ['an unknown key', { clientConfig: { method: 'aes-256-gcm', key: 1 } }, 'input.clientConfig.key'],
];

describe('createNode', () => {
  it('applies defaults to absent fields and uses the address of the server', async () => {
    const fields = input({ name: `  ${unique('Node')} ` });

    const { createNode: node } = await admin.get(CreateNodeDocument, { input: fields });

    expect(node).toEqual({
      id: expect.any(String),
      server: { id: serverId, address: 'fra1.example' },
      name: fields.name.trim(),
      protocol: 'SHADOWSOCKS',
      address: 'fra1.example',
      port: fields.port,
      tags: [],
      ratio: 1,
      enabled: true,
      sort: 0,
      clientConfig: { method: 'aes-256-gcm', serverKey: null },
      version: 1,
    });
  });

  it.each(GOOD)('stores both parts of a $name config', async ({ name: _, ...example }) => {
    const { id } = await create(example);

    const { clientConfig, serverConfig } = await stored(id);
    const { flow, ...rest } = example.clientConfig;
    expect(clientConfig).toMatchObject({ ...rest, ...(flow ? { flow } : {}) });
    if (example.serverConfig) expect(serverConfig).toMatchObject(example.serverConfig);
    else expect(serverConfig).toBeNull();
  });

  it.each(['0', '0.1', '1.5', '0.0001', '99999.9999'])('stores a ratio of %s exactly', async (ratio) => {
    const { id, ratio: told } = await create({ ratio: Number(ratio) });

    expect(told).toBe(Number(ratio));
    expect((await stored(id)).ratio.toString()).toBe(ratio);
  });

  it.each(BAD_FIELDS)('rejects %s and names the field', async (_, fields, field) => {
    const before = await api.services.db.node.count();

    const { extensions } = await admin.refused(CreateNodeDocument, { input: input(fields) });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
    expect(await api.services.db.node.count()).toBe(before);
  });

  it.each<[string, () => Promise<string> | string]>([
    ['does not exist', () => randomUUID()],
    ['is malformed', () => 'server-1'],
    [
      'belongs to a deleted server',
      async () => (await buildServer(api.services.db, { deletedAt: new Date() })).id,
    ],
  ])('fails with NOT_FOUND when the server id %s', async (_, id) => {
    const { extensions } = await admin.refused(CreateNodeDocument, {
      input: input({ serverId: await id() }),
    });

    expect(extensions).toMatchObject({ code: 'NOT_FOUND', field: 'input.serverId' });
  });
});

describe('a port that another node of the server uses', () => {
  const newServer = async () => (await buildServer(api.services.db)).id;
  const HYSTERIA: Partial<CreateNodeInput> = { protocol: 'HYSTERIA2', clientConfig: {} };
  const VMESS: Partial<CreateNodeInput> = { protocol: 'VMESS', clientConfig: { security: 'auto' } };
  const listen = (address: string) => ({ serverConfig: { listen: address } });

  it.each<[string, Partial<CreateNodeInput>, Partial<CreateNodeInput>]>([
    ['TCP and TCP', VMESS, VMESS],
    ['TCP and UDP, and TCP', {}, VMESS],
    ['TCP and UDP, and UDP', {}, HYSTERIA],
    ['all addresses and one', VMESS, { ...VMESS, ...listen('192.0.2.1') }],
    ['0.0.0.0 and an IPv4 address', { ...VMESS, ...listen('0.0.0.0') }, { ...VMESS, ...listen('192.0.2.1') }],
    ['the same address', { ...VMESS, ...listen('2001:DB8::1') }, { ...VMESS, ...listen('2001:db8::1') }],
  ])('is refused for %s, and names the other node', async (_, first, second) => {
    const place = { serverId: await newServer(), port: 443 };
    const other = await create({ ...place, ...first });

    const { extensions, message } = await admin.refused(CreateNodeDocument, {
      input: input({ ...place, ...second }),
    });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.port' });
    expect(message).toContain(other.name);
  });

  it.each<[string, Partial<CreateNodeInput>, Partial<CreateNodeInput>]>([
    ['TCP and UDP', VMESS, HYSTERIA],
    ['two addresses', { ...VMESS, ...listen('192.0.2.1') }, { ...VMESS, ...listen('192.0.2.2') }],
    ['IPv4 and IPv6', { ...VMESS, ...listen('0.0.0.0') }, { ...VMESS, ...listen('2001:db8::1') }],
    ['a disabled node', { ...VMESS, enabled: false }, VMESS],
  ])('is accepted for %s', async (_, first, second) => {
    const place = { serverId: await newServer(), port: 443 };

    await create({ ...place, ...first });
    await create({ ...place, ...second });
  });

  it('is taken by one of ten concurrent nodes', async () => {
    const place = { serverId: await newServer(), port: 443 };

    const created = await Promise.allSettled(
      Array.from({ length: 10 }, () => create({ ...place, ...VMESS })),
    );

    expect(created.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('is refused in an update that moves, enables or changes the protocol of a node', async () => {
    const place = { serverId: await newServer(), port: 443 };
    await create({ ...place, ...VMESS });
    const off = await create({ ...place, ...VMESS, enabled: false });
    const elsewhere = await create({ ...place, ...VMESS, port: 444 });
    const udp = await create({ ...place, ...HYSTERIA });

    for (const [{ id, version }, change] of [
      [off, { enabled: true }],
      [elsewhere, { port: 443 }],
      [udp, VMESS],
    ] as const) {
      const { extensions } = await admin.refused(UpdateNodeDocument, { id, input: { version, ...change } });
      expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.port' });
    }
  });

  it('is reported at start for nodes that share it already, which can still be edited', async () => {
    const { db } = api.services;
    const place = { serverId: await newServer(), port: 443 };
    const one = await buildNode(db, place);
    const other = await buildNode(db, place);
    await buildNode(db, { ...place, traits: ['disabled'] });

    const pairs = await reportPortConflicts(api.services);

    expect(pairs.filter((pair) => pair.includes(one.id))).toEqual([[one.id, other.id]]);
    expect((await update(one.id, { version: 1, name: 'renamed' })).name).toBe('renamed');
  });
});

describe('createNode on a server with 200 nodes', () => {
  it('fails, also concurrently, until one of them is deleted', async () => {
    const { db } = api.services;
    const { id } = await buildServer(db);
    const nodes = Array.from({ length: 199 }, () => ({
      ...NODE_COLUMNS,
      name: unique('node'),
      serverId: id,
    }));
    await db.node.createMany({ data: nodes });
    const add = () => admin.ask(CreateNodeDocument, { input: input({ serverId: id }) });

    const answers = await Promise.all([add(), add(), add()]);

    const refusals = answers.flatMap(({ errors }) => errors ?? []);
    expect(refusals.map(({ extensions }) => [extensions.code, extensions.field])).toEqual(
      Array(2).fill(['BAD_USER_INPUT', 'input.serverId']),
    );
    await db.node.updateMany({ where: { name: nodes[0]?.name ?? '' }, data: { deletedAt: new Date() } });
    expect((await add()).errors).toBeUndefined();
    expect(await db.node.count({ where: { serverId: id, deletedAt: null } })).toBe(200);
  });
});

const NODE_COLUMNS = {
  protocol: 'SHADOWSOCKS',
  port: 8388,
  clientConfig: { method: 'aes-256-gcm' },
} as const;

describe('updateNode', () => {
  it('changes only the given fields and increments the version', async () => {
    const { name: _, ...reality } = good('VLESS with Reality');
    const before = await create({ ...reality, ratio: 1.5, tags: ['eu'], sort: 3 });
    const { serverConfig } = await stored(before.id);

    const after = await update(before.id, { version: 1, port: 8443, tags: ['us', ' us '], enabled: null });

    expect(after).toEqual({ ...before, port: 8443, tags: ['us'], version: 2 });
    expect((await stored(before.id)).serverConfig).toEqual(serverConfig);
  });

  it('sets an address of its own and clears it again', async () => {
    const { id } = await create();

    expect((await update(id, { address: '192.0.2.7' })).address).toBe('192.0.2.7');
    expect((await update(id, { name: 'Other' })).address).toBe('192.0.2.7');
    expect((await update(id, { address: null })).address).toBe('fra1.example');
  });

  it('rejects an outdated version, and overwrites when no version is given', async () => {
    const { id } = await create();
    await update(id, { version: 1, name: 'First' });

    const refusal = await admin.refused(UpdateNodeDocument, { id, input: { version: 1, name: 'Second' } });

    expect(refusal.extensions).toMatchObject({ code: 'EDIT_CONFLICT', retryable: false });
    expect((await stored(id)).name).toBe('First');
    expect(await update(id, { name: 'Third' })).toMatchObject({ name: 'Third', version: 3 });
  });

  it('accepts exactly one of ten concurrent edits of the same version', async () => {
    const { id } = await create();

    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, sort) =>
        admin.ask(UpdateNodeDocument, { id, input: { version: 1, sort } }),
      ),
    );

    const codes = answers.map(({ errors }) => errors?.[0]?.extensions.code ?? 'ok').sort();
    expect(codes).toEqual([...Array(9).fill('EDIT_CONFLICT'), 'ok']);
    expect((await stored(id)).version).toBe(2);
  });

  it('changes the protocol only together with a config that is valid for it', async () => {
    const { name: _, ...reality } = good('VLESS with Reality');
    const { id } = await create(reality);
    const refused = async (fields: UpdateNodeInput) =>
      (await admin.refused(UpdateNodeDocument, { id, input: fields })).extensions.field;

    expect(await refused({ protocol: 'TROJAN' })).toMatch(/^input\.clientConfig\./);
    expect(await refused({ protocol: 'TROJAN', clientConfig: {} })).toMatch(/^input\.serverConfig/);
    expect(await update(id, { protocol: 'TROJAN', clientConfig: {}, serverConfig: null })).toMatchObject({
      protocol: 'TROJAN',
      clientConfig: { network: 'tcp' },
    });
    expect((await stored(id)).serverConfig).toBeNull();
  });

  it('rejects a new part that does not match the stored other part', async () => {
    const { name: _, ...reality } = good('VLESS with Reality');
    const { id } = await create(reality);
    const input = { clientConfig: { ...reality.clientConfig, shortId: 'ffff' } };

    const { extensions } = await admin.refused(UpdateNodeDocument, { id, input });

    expect(extensions.field).toBe('input.serverConfig.shortIds');
  });

  it.each(BAD_FIELDS)('rejects %s and names the field', async (_, fields, field) => {
    const { id } = await create();

    const { extensions } = await admin.refused(UpdateNodeDocument, { id, input: fields as UpdateNodeInput });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
    expect((await stored(id)).version).toBe(1);
  });
});

describe('deleteNode', () => {
  it('returns the node before the deletion, and hides it from then on', async () => {
    const node = await create();

    expect((await admin.get(DeleteNodeDocument, { id: node.id })).deleteNode).toEqual(node);

    for (const again of [
      admin.refused(DeleteNodeDocument, { id: node.id }),
      admin.refused(UpdateNodeDocument, { id: node.id, input: { name: 'x' } }),
    ]) {
      expect((await again).extensions.code).toBe('NOT_FOUND');
    }
    const { nodes } = await admin.get(NodesDocument, { filter: { serverId }, first: 100 });
    expect(nodes?.nodes.map(({ id }) => id)).not.toContain(node.id);
  });
});

describe('nodes query', () => {
  it('filters by server, tag, protocol and enabled, newest first', async () => {
    const { db } = api.services;
    const { id: other } = await buildServer(db);
    const tagged = await buildNode(db, { serverId: other, tags: ['eu', 'fast'] });
    const vmess = await buildNode(db, {
      serverId: other,
      protocol: 'VMESS',
      clientConfig: { security: 'auto' },
    });
    const off = await buildNode(db, { serverId: other, traits: ['disabled'] });
    const ids = async (filter: object) => {
      const { nodes } = await admin.get(NodesDocument, { filter: { serverId: other, ...filter } });
      expect(nodes?.totalCount).toBe(nodes?.nodes.length);
      return nodes?.nodes.map(({ id }) => id);
    };

    expect(await ids({})).toEqual([off.id, vmess.id, tagged.id]);
    expect(await ids({ tag: ' fast ' })).toEqual([tagged.id]);
    expect(await ids({ protocol: 'VMESS' })).toEqual([vmess.id]);
    expect(await ids({ enabled: false })).toEqual([off.id]);
  });
});

describe('audit log of nodes', () => {
  it.each(GOOD.filter(({ serverConfig }) => serverConfig))(
    'records changes to a $name node without its secrets',
    async ({ name: _, ...example }) => {
      const { id, port } = await create(example);
      await update(id, { port: 1234 });
      await admin.get(DeleteNodeDocument, { id });

      const { auditLog } = await admin.get(AuditLogDocument, { filter: { targetId: id } });

      const entries = auditLog?.nodes ?? [];
      expect(entries.map(({ action }) => action)).toEqual(['deleteNode', 'updateNode', 'createNode']);
      expect(entries[1]).toMatchObject({
        actorId: admin.userId,
        before: { port, version: 1 },
        after: { port: 1234, version: 2 },
      });
      const text = JSON.stringify(entries);
      const secrets = [CANARY, example.serverConfig?.privateKey, example.clientConfig.obfsPassword];
      for (const secret of secrets)
        if (secret) expect(text).not.toContain(JSON.stringify(secret).slice(1, -1));
      expect(text).toContain('(secret)');
    },
  );
});
