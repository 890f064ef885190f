import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sealNodeConfigs } from '../../../../src/modules/network/node/seal-node-configs.ts';
import { openConfig } from '../../../../src/modules/network/protocols/private-config.ts';
import { createSecrets } from '../../../../src/platform/keys/secrets.ts';
import {
  CreateNodeDocument,
  ServerConfigDocument,
  ServerUsersDocument,
  UpdateNodeDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildNode } from '../../../support/factories.ts';
import type { Agent } from '../../../support/fleet.ts';
import { CANARY, good } from '../../../support/node-configs.ts';

let api: TestApi;
let admin: TestUser;
let agent: Agent;
beforeEach(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
  agent = await api.newAgent();
});
afterEach(() => api?.close());

const PLAIN = { listen: '192.0.2.1', privateKey: `a private key, ${CANARY}` };

/** A node as version 0.1 stores it. */
const plainNode = () => buildNode(api.services.db, { serverId: agent.serverId, serverConfig: PLAIN });
const stored = (id: string) => api.services.db.node.findUniqueOrThrow({ where: { id } });

/** The private parts that the agent gets, in order of their nodes. */
async function received(): Promise<unknown[]> {
  const { serverConfig } = await agent.get(ServerConfigDocument);
  return (serverConfig?.nodes ?? []).map((node) => (node as { serverConfig: unknown }).serverConfig);
}

/** Everything that the table of nodes has, as text. */
async function dump(): Promise<string> {
  const rows = await api.services.db.$queryRaw<{ row: string }[]>`SELECT n::text AS row FROM nodes n`;
  return rows.map(({ row }) => row).join('\n');
}

/** Sets for how many hours configs have been encrypted; negative while version 0.1 may be running. */
const sealing = (hours: number) =>
  api.services.db.$executeRaw`
    UPDATE service_state SET seals_configs_at = tessera_now() - ${hours}::int * interval '1 hour'`;

function withKeys(secretKey: string, previousSecretKey?: string) {
  return { ...api.services, secrets: createSecrets({ secretKey, previousSecretKey }) };
}

describe('the private part of a node config', () => {
  it('is stored encrypted, and sent to the agent as it was given', async () => {
    const { name: _, ...example } = good('VLESS with Reality');
    const input = { serverId: agent.serverId, name: 'Node', port: 443, ...example };
    const { id } = (await admin.get(CreateNodeDocument, { input })).createNode;

    const secret = String(example.serverConfig?.privateKey);
    expect(await dump()).not.toContain(secret);
    expect(await received()).toMatchObject([example.serverConfig]);

    const serverConfig = { ...example.serverConfig, destination: 'www.example.net:443' };
    await admin.get(UpdateNodeDocument, { id, input: { serverConfig } });

    expect(await dump()).not.toMatch(new RegExp(`${secret}|example\\.net`));
    expect(await received()).toMatchObject([serverConfig]);
  });

  it('stays plaintext while processes of version 0.1 may be running', async () => {
    const { name: _, ...example } = good('VLESS with Reality');
    await sealing(-1);

    const input = { serverId: agent.serverId, name: 'Node', port: 443, ...example };
    const { id } = (await admin.get(CreateNodeDocument, { input })).createNode;

    expect(await sealNodeConfigs(api.services)).toBe(0);
    expect((await stored(id)).serverConfig).toMatchObject(example.serverConfig ?? {});
    await sealing(1);
    expect(await sealNodeConfigs(api.services)).toBe(1);
    expect(await received()).toMatchObject([example.serverConfig]);
  });

  it('is readable if it is plaintext, whenever version 0.1 has written it', async () => {
    const { id } = await plainNode();
    expect(await received()).toEqual([PLAIN]);
    await sealNodeConfigs(api.services);

    await api.services.db.node.update({ where: { id }, data: { serverConfig: { listen: '::' } } });

    expect(await received()).toEqual([{ listen: '::' }]);
    expect(await sealNodeConfigs(api.services)).toBe(1);
    expect(await received()).toEqual([{ listen: '::' }]);
  });

  it('is not accepted for another node, which is then left out', async () => {
    const [one, other] = [await plainNode(), await plainNode()];
    await sealNodeConfigs(api.services);
    const { serverConfig } = await stored(one.id);

    await api.services.db.node.update({
      where: { id: other.id },
      data: { serverConfig: serverConfig ?? {} },
    });

    expect(await received()).toEqual([PLAIN]);
  });

  it('that no key decrypts is left out and logged, and can be replaced', async () => {
    const [lost] = [await plainNode(), await plainNode()];
    await sealNodeConfigs(withKeys('another secret key of this test: 0123'));
    await api.services.db.node.updateMany({
      where: { id: { not: lost.id } },
      data: { serverConfig: PLAIN },
    });
    const error = vi.spyOn(api.services.log, 'error');

    expect(await received()).toEqual([PLAIN]);
    expect(error).toHaveBeenCalledWith(
      expect.objectContaining({ nodeId: lost.id }),
      'failed to decrypt the private config of a node',
    );
    // The next run encrypts the others.
    expect(await sealNodeConfigs(api.services)).toBe(1);
    await admin.get(UpdateNodeDocument, { id: lost.id, input: { serverConfig: { listen: '192.0.2.2' } } });
    expect(await received()).toEqual([{ listen: '192.0.2.2' }, PLAIN]);
  });
});

describe('sealNodeConfigs', () => {
  it('encrypts every plaintext config once, also of disabled and deleted nodes', async () => {
    const { db } = api.services;
    const base = { serverId: agent.serverId, serverConfig: PLAIN };
    await plainNode();
    await buildNode(db, { ...base, traits: ['disabled'] });
    await buildNode(db, { ...base, traits: ['deleted'] });
    await buildNode(db, { serverId: agent.serverId });

    expect(await sealNodeConfigs(api.services)).toBe(3);

    expect(await dump()).not.toContain(CANARY);
    expect(await received()).toEqual([PLAIN, null]);
    expect(await sealNodeConfigs(api.services)).toBe(0);
  });

  it('changes neither the version of a node nor the lists of agents', async () => {
    const { id } = await plainNode();
    const { serverUsers } = await agent.get(ServerUsersDocument);
    const since = serverUsers?.revision;

    await sealNodeConfigs(api.services);

    expect(await stored(id)).toMatchObject({ version: 1 });
    expect((await agent.get(ServerUsersDocument, { since })).serverUsers).toMatchObject({ full: false });
    await admin.get(UpdateNodeDocument, { id, input: { serverConfig: { listen: '::' } } });
    expect((await agent.get(ServerUsersDocument, { since })).serverUsers).toMatchObject({ full: true });
  });

  it('encrypts again after a change of SECRET_KEY, so that the previous key can be removed', async () => {
    const { id } = await plainNode();
    const [before, after] = ['the key before the change: 0123456789', 'the key after the change: 9876543210'];
    await sealNodeConfigs(withKeys(before));

    expect(await sealNodeConfigs(withKeys(after, before))).toBe(1);

    expect(openConfig(withKeys(after), await stored(id))).toEqual(PLAIN);
    expect(await sealNodeConfigs(withKeys(after))).toBe(0);
  });
});
