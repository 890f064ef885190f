import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { activateOrders } from '../../src/modules/redemption/activate/activate-orders.ts';
import {
  CreateServerDocument,
  DeleteServerDocument,
  PropagationDocument,
  RotateServerTokenDocument,
} from '../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import {
  buildBatch,
  buildCode,
  buildNode,
  buildOrder,
  buildPlan,
  buildPlanNode,
  buildSubscription,
} from '../support/factories.ts';

let api: TestApi;
let admin: TestUser;
let db: TestApi['services']['db'];

beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
  db = api.services.db;
});
afterAll(() => api?.close());

/** A server with a node of a new plan, added through the API. */
async function addServer() {
  const input = { name: 'Tokyo 1', address: '192.0.2.9' };
  const { createServer } = await admin.get(CreateServerDocument, { input });
  const { id: nodeId } = await buildNode(db, { serverId: createServer.server.id });
  const { id: planId } = await buildPlan(db, { deviceLimit: 3 });
  await buildPlanNode(db, { planId, nodeId });
  return { token: createServer.token, serverId: createServer.server.id, planId };
}

const programEnv = (token: string) => ({ PATH: process.env.PATH, TESSERA_URL: api.url, SERVER_TOKEN: token });

/** Starts the example agent and collects its output. */
function startAgent(token: string) {
  const child = spawn(process.execPath, ['examples/agent/main.mjs'], { env: programEnv(token) });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  return { exited, output: () => output, stop: () => child.kill('SIGTERM') };
}

const until = <T>(check: () => Promise<T> | T) => vi.waitFor(check, { timeout: 10_000, interval: 50 });

describe('example agent', () => {
  it('confirms an activation and stops on SIGTERM', async () => {
    const { token, planId } = await addServer();
    const agent = startAgent(token);
    await until(() => expect(agent.output()).toMatch(/ 0 users as of revision \d+/));
    const { id: batchId } = await buildBatch(db, { planId });
    const { id: codeId } = await buildCode(db, { batchId });
    const { id: orderId } = await buildOrder(db, { codeId });

    await activateOrders(api.services, [orderId]);

    await until(async () => {
      const { order } = await admin.get(PropagationDocument, { id: orderId });
      expect(order?.propagation).toEqual({ servers: 1, confirmed: 1 });
    });
    agent.stop();
    expect([await agent.exited, agent.output()]).toEqual([
      0,
      expect.stringMatching(/ 1 users as of .* stopped\n$/s),
    ]);
  });

  it('exits when its token is revoked', async () => {
    const { token, serverId } = await addServer();
    const agent = startAgent(token);
    await until(() => expect(agent.output()).toContain('users as of'));

    await admin.get(RotateServerTokenDocument, { id: serverId });

    expect([await agent.exited, agent.output()]).toEqual([1, expect.stringContaining('rejected the token')]);
  });

  it('exits with an error when started with a revoked token', async () => {
    const { token, serverId } = await addServer();
    await db.node.updateMany({ where: { serverId }, data: { deletedAt: new Date() } });
    await admin.get(DeleteServerDocument, { id: serverId });
    const agent = startAgent(token);

    expect([await agent.exited, agent.output()]).toEqual([1, expect.stringContaining('rejected the token')]);
  });
});

describe('agent conformance suite', () => {
  it('passes against this API', async () => {
    const { token, planId } = await addServer();
    for (let made = 0; made < 30; made++) await buildSubscription(db, { planId });
    const output = await new Promise<string>((done) => {
      const options = { env: programEnv(token), timeout: 60_000 };
      execFile(process.execPath, ['examples/agent/conformance.mjs'], options, (_error, stdout, stderr) =>
        done(stdout + stderr),
      );
    });

    expect(output.match(/^FAILED.*\n.*/gm) ?? []).toEqual([]);
    expect(output).toMatch(/All \d+ checks passed\.\n$/);
  });
});
