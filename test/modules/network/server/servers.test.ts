import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { createNode } from '../../../../src/modules/network/node/create-node.ts';
import { deleteServer } from '../../../../src/modules/network/server/delete-server.ts';
import { updateServer } from '../../../../src/modules/network/server/update-server.ts';
import {
  CreateServerDocument,
  DeleteServerDocument,
  RotateServerTokenDocument,
  ServerConfigDocument,
  ServersDocument,
  UpdateServerDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildNode, buildServer, inDays } from '../../../support/factories.ts';

let api: TestApi;
let admin: TestUser;
let db: TestApi['services']['db'];

beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
  db = api.services.db;
});
afterAll(() => api?.close());

const create = async (
  input: Partial<{ name: string; address: string; country: string; latitude: number }> = {},
) =>
  (await admin.get(CreateServerDocument, { input: { name: 'Tokyo 1', address: '192.0.2.9', ...input } }))
    .createServer;

async function auditOf(targetId: string) {
  const entries = await db.auditEntry.findMany({ where: { targetId }, orderBy: { id: 'asc' } });
  return entries.map(({ action, before, after, actorId }) => ({ action, before, after, actorId }));
}

/** Opens an agent's websocket; `closed` resolves to its close code. */
async function openSocket(token: string) {
  const socket = new WebSocket(`${api.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const closed = once(socket, 'close').then(([code, reason]) => ({
    code,
    reason: String(reason),
    at: Date.now(),
  }));
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
  await Promise.race([once(socket, 'message'), closed]);
  return { socket, closed };
}

describe('createServer', () => {
  it('returns a token that authenticates the agent, and stores only its hash', async () => {
    const { server, token } = await create({ country: 'Japan', latitude: 35.7 });

    expect(token).toMatch(/^srv_[A-Za-z0-9_-]{43}$/);
    expect(server).toMatchObject({
      name: 'Tokyo 1',
      country: 'Japan',
      city: '',
      latitude: 35.7,
      longitude: null,
    });
    const agent = api.anonymous.as(token);
    expect((await agent.get(ServerConfigDocument)).serverConfig).toMatchObject({ serverId: server.id });
    const row = await db.server.findUniqueOrThrow({ where: { id: server.id } });
    expect(JSON.stringify({ ...row, fullListRevision: '' })).not.toContain(token.slice(4));
    expect(JSON.stringify(await auditOf(server.id))).not.toContain(token.slice(4));
    expect(await auditOf(server.id)).toMatchObject([
      { action: 'createServer', actorId: admin.userId, after: { name: 'Tokyo 1', country: 'Japan' } },
    ]);
  });

  it.each([
    ['name', ''],
    ['name', 'x'.repeat(101)],
    ['address', 'not a host'],
    ['address', 'http://192.0.2.1'],
    ['address', ''],
    ['country', 'x'.repeat(101)],
    ['latitude', 91],
    ['longitude', -181],
  ])('rejects the %s %j', async (field, value) => {
    const input = { name: 'A', address: '192.0.2.1', [field]: value };

    const { extensions } = await admin.refused(CreateServerDocument, { input });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: `input.${field}` });
  });

  it.each(['node-1.example.com', 'localhost', '2001:db8::1'])('accepts the address %s', async (address) => {
    expect((await create({ address })).server.address).toBe(address);
  });
});

describe('updateServer', () => {
  it('changes only the given fields and clears those that are null', async () => {
    const { server } = await create({ country: 'Japan', latitude: 35.7 });
    const input = { version: server.version, name: 'Tokyo 2', country: null, latitude: null };

    const { updateServer: changed } = await admin.get(UpdateServerDocument, { id: server.id, input });

    expect(changed).toMatchObject({ name: 'Tokyo 2', address: '192.0.2.9', country: '', latitude: null });
    expect(changed.version).toBe(server.version + 1);
    expect((await auditOf(server.id)).at(-1)).toMatchObject({
      action: 'updateServer',
      before: { name: 'Tokyo 1', country: 'Japan' },
      after: { name: 'Tokyo 2', country: '' },
    });
  });

  it('rejects an outdated version, and overwrites when no version is given', async () => {
    const { server } = await create();
    const change = (version: number | null, name: string) =>
      admin.ask(UpdateServerDocument, { id: server.id, input: { version, name } });
    await change(server.version, 'one');

    const { errors } = await change(server.version, 'other');

    expect(errors?.[0]?.extensions.code).toBe('EDIT_CONFLICT');
    expect((await change(null, 'last')).data?.updateServer.name).toBe('last');
  });

  it('accepts exactly one of ten concurrent edits of the same version', async () => {
    const { server } = await create();
    const tries = Array.from({ length: 10 }, (_, place) =>
      updateServer(api.services, {
        ...{ actorId: admin.userId, id: server.id },
        input: { version: server.version, name: `try ${place}` },
      }),
    );

    const done = await Promise.allSettled(tries);

    expect(done.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

describe('rotateServerToken', () => {
  it('revokes the old token, closes its sockets, and keeps sockets of the new token open', async () => {
    const { server, token } = await create();
    const { socket, closed } = await openSocket(token);
    expect(socket.readyState).toBe(socket.OPEN);

    const { rotateServerToken } = await admin.get(RotateServerTokenDocument, { id: server.id });
    const rotatedAt = Date.now();

    expect((await api.anonymous.as(token).refused(ServerConfigDocument)).extensions.code).toBe(
      'UNAUTHENTICATED',
    );
    const end = await closed;
    expect(end).toMatchObject({ code: 4401 });
    expect(end.at - rotatedAt).toBeLessThan(5_000);
    const anew = await openSocket(rotateServerToken.token);
    expect(anew.socket.readyState).toBe(anew.socket.OPEN);
    expect((await (await openSocket(token)).closed).code).toBe(4401);
    anew.socket.close();
    expect(JSON.stringify(await auditOf(server.id))).not.toMatch(/srv_|token_hash|tokenHash/);
  });
});

describe('deleteServer', () => {
  it('fails with STILL_IN_USE while the server has nodes', async () => {
    const { server } = await create();
    const node = await buildNode(db, { serverId: server.id });

    expect((await admin.refused(DeleteServerDocument, { id: server.id })).extensions.code).toBe(
      'STILL_IN_USE',
    );
    await db.node.update({ where: { id: node.id }, data: { deletedAt: inDays(0) } });
    expect(await admin.get(DeleteServerDocument, { id: server.id })).toEqual({
      deleteServer: { id: server.id },
    });
  });

  it('revokes the token, closes its sockets, and removes the server from the list', async () => {
    const { server, token } = await create();
    const { closed } = await openSocket(token);

    await admin.get(DeleteServerDocument, { id: server.id });

    expect((await api.anonymous.as(token).refused(ServerConfigDocument)).extensions.code).toBe(
      'UNAUTHENTICATED',
    );
    expect((await closed).code).toBe(4401);
    const { servers } = await admin.get(ServersDocument, { first: 100 });
    expect(servers?.nodes.map(({ id }) => id)).not.toContain(server.id);
    expect((await admin.refused(DeleteServerDocument, { id: server.id })).extensions.code).toBe('NOT_FOUND');
    expect((await admin.refused(RotateServerTokenDocument, { id: server.id })).extensions.code).toBe(
      'NOT_FOUND',
    );
  });

  it('waits for a concurrent createNode and counts its node', async () => {
    const { id } = await buildServer(db);
    let deletion: Promise<unknown> = Promise.resolve();
    await db.$transaction(async (tx) => {
      await buildNode(tx, { serverId: id });
      deletion = admin.refused(DeleteServerDocument, { id });
      await vi.waitFor(async () => {
        const blocked = await db.$queryRaw<unknown[]>`
          SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
        if (blocked.length === 0) throw new Error('nobody waits');
      });
    });

    expect(await deletion).toMatchObject({ extensions: { code: 'STILL_IN_USE' } });
  });

  it('never succeeds together with a concurrent createNode', async () => {
    for (let turn = 0; turn < 10; turn++) {
      const { id } = await buildServer(db);
      const input = {
        ...{ serverId: id, name: 'A', protocol: 'SHADOWSOCKS' as const, port: 8388 },
        clientConfig: { method: 'aes-256-gcm' },
      };
      const outcomes = await Promise.allSettled([
        createNode(api.services, { actorId: admin.userId, input }),
        deleteServer(api.services, { actorId: admin.userId, id }),
      ]);

      const refusals = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
      expect([['NOT_FOUND'], ['STILL_IN_USE']]).toContainEqual(refusals);
    }
  });
});
