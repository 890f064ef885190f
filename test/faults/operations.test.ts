import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { hashServerToken } from '../../src/modules/network/server/find-agent.ts';
import { openCode } from '../../src/modules/redemption/code/code-vault.ts';
import { createDatabase, type Database } from '../../src/platform/database/database.ts';
import { createSecrets, DecryptionError } from '../../src/platform/keys/secrets.ts';
import { createClient } from '../support/client.ts';
import { startPostgresDependency } from '../support/dependencies.ts';
import { buildServer, buildSubscription } from '../support/factories.ts';
import { AgentMemory, placePlan } from '../support/fleet.ts';
import { checkInvariants } from '../support/invariants.ts';
import { becomesTrue, type Lab, startLab } from '../support/lab/lab.ts';
import { startLoad } from '../support/lab/load.ts';
import { scale } from '../support/lab/profile.ts';
import { TEST_SECRET_KEY } from '../support/services.ts';
import { runCommand } from '../support/shell.ts';

const NEXT_KEY = 'the next secret key of this test: 0123456789';
const IN_FLIGHT = 10;
/** Of each role. */
const PROCESSES = scale(1, 2);

let lab: Lab;
const folders: string[] = [];
const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  await lab?.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}, 60_000);

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-operations-'));
  // The user of PostgreSQL must reach its data below.
  chmodSync(folder, 0o711);
  folders.push(folder);
  return folder;
}

/** Stops a process and starts another one in its place. */
async function replace(role: 'api' | 'worker', place: number, env: Record<string, string>): Promise<void> {
  const all = role === 'api' ? lab.cluster.apis : lab.cluster.workers;
  const [stopped] = all.splice(place, 1);
  await stopped?.stop();
  const started = await lab.cluster.start(role, env);
  all.splice(all.indexOf(started), 1);
  all.splice(place, 0, started);
}

/** In an order that no operator would plan. */
async function replaceAll(env: Record<string, string>): Promise<void> {
  for (let place = PROCESSES - 1; place >= 0; place -= 1) {
    await replace('worker', place, env);
    await replace('api', PROCESSES - 1 - place, env);
  }
}

const areSettled = (db: Database) =>
  becomesTrue(async () => (await db.order.count({ where: { status: 'PAID' } })) === 0, 30_000);

const urls = () => lab.cluster.apis.map(({ url }) => url);

async function load(codes: number) {
  const customers = await lab.customers(200);
  const running = startLoad({
    urls,
    customers,
    codes: await lab.codes(codes),
    pace: { inFlight: IN_FLIGHT },
  });
  return Object.assign(running, { customers });
}

describe('the rotation of the secret key under load', () => {
  it('fails no request, and leaves nothing that the old key opens', async () => {
    lab = await startLab({ api: PROCESSES, workers: PROCESSES });
    const running = await load(scale(3_000, 100_000));
    const both = { SECRET_KEY: NEXT_KEY, SECRET_KEY_PREVIOUS: TEST_SECRET_KEY };
    const env = { ...lab.cluster.env, ...both };
    const early = await runCommand(['keys', 'rotate', '--secret'], { directory: makeFolder(), env });
    expect(early).toMatchObject({
      code: 1,
      said: expect.stringMatching(/do not have the new key: (?=.*api )(?=.*worker )/),
    });
    await replaceAll(both);

    const from = running.elapsed();
    const rotated = await runCommand(['keys', 'rotate', '--secret'], { directory: makeFolder(), env });
    await sleep(1_000);
    const until = running.elapsed();

    expect(rotated).toMatchObject({ code: 0, shown: expect.stringMatching(/can be removed after/) });
    const next = { SECRET_KEY: NEXT_KEY };
    await replaceAll(next);
    await running.stop();
    const during = running.calls.filter(
      ({ responses: [first] }) => first && first.at > from && first.at < until,
    );
    expect(during.length).toBeGreaterThan(50);
    expect(
      during.filter(({ responses }) => responses.length > 1 || responses[0]?.outcome !== 'ACCEPTED'),
    ).toEqual([]);
    expect(running.calls.filter(({ outcome }) => outcome !== 'ACCEPTED')).toEqual([]);
    expect(await areSettled(lab.db)).toBe(true);
    expect(await lab.db.order.count({ where: { status: 'FINISHED' } })).toBe(running.calls.length);
    expect(await checkInvariants(lab.db)).toEqual([]);
    const codes = await lab.db.redemptionCode.findMany({ take: 1_000, orderBy: { id: 'asc' } });
    const old = createSecrets({ secretKey: TEST_SECRET_KEY });
    for (const code of codes) expect(() => openCode({ secrets: old }, code)).toThrow(DecryptionError);
    const refused = lab.cluster.start('api', { SECRET_KEY: TEST_SECRET_KEY });
    await expect(refused).rejects.toThrow(
      /SECRET_KEY: the values in this database are protected by another key/,
    );
  }, 240_000);
});

describe.each(scale(['the same'], ['the same', 'a new']) as ('a new' | 'the same')[])(
  'a backup under load, restored into %s cluster',
  (where) => {
    it('has each earlier order once, and the right users at the servers', async () => {
      lab = await startLab({ api: 2, workers: 2 });
      const { env } = lab.cluster;
      const token = `srv_${randomBytes(32).toString('base64url')}`;
      const { id: serverId } = await buildServer(lab.db, { tokenHash: hashServerToken(token) });
      const { plan } = await placePlan(lab.db, serverId);
      const payer = await buildSubscription(lab.db, { planId: plan.id });
      const memory = new AgentMemory();
      const syncAt = async (place: number) => {
        const agent = createClient(lab.cluster.apis[place]?.url ?? '', token);
        await memory.sync(agent);
        await agent.close();
      };
      await syncAt(0);
      const running = await load(20_000);
      await sleep(2_000);
      const before = running.calls.filter(({ outcome }) => outcome === 'ACCEPTED').map(({ code }) => code);
      const folder = makeFolder();

      const file = join(folder, 'backup');
      const backup = await runCommand(['backup', file], { directory: folder, env });
      await running.stop();
      expect(backup.code).toBe(0);
      // Everything that the backup does not have.
      const stranger = await buildSubscription(lab.db, { planId: plan.id });
      await lab.db.userSubscription.update({ where: { id: payer.id }, data: { status: 'STOPPED' } });
      await syncAt(1);
      expect(memory.ids).toEqual([stranger.id]);

      const databaseUrl = await destroy(where, folder);
      const target = { ...env, DATABASE_URL: databaseUrl };
      const restored = await runCommand(['restore', file], { directory: folder, env: target });
      expect(restored).toMatchObject({ code: 0 });
      const db = createDatabase({ url: databaseUrl, log: { warn: () => {} }, poolSize: 2 });
      cleanUps.push(() => db.$disconnect());
      await Promise.all([lab.cluster.start('api', target), lab.cluster.start('worker', target)]);

      await sleep(500);
      await syncAt(0);
      expect(memory.ids).toEqual([payer.id]);
      expect(await areSettled(db)).toBe(true);
      expect(await checkInvariants(db)).toEqual([]);
      const finished = await db.order.findMany({ where: { status: 'FINISHED' }, include: { code: true } });
      const secrets = createSecrets({ secretKey: TEST_SECRET_KEY });
      const redeemed = finished.map(({ code }) => openCode({ secrets }, code));
      expect(new Set(redeemed).size).toBe(redeemed.length);
      expect(before.length).toBeGreaterThan(20);
      expect(before.filter((code) => !redeemed.includes(code))).toEqual([]);
      // What was accepted later was lost, and can be redeemed again.
      const lost = running.calls.filter(({ code }) => !redeemed.includes(code)).slice(0, 1);
      const customers = running.customers.filter(({ userId }) => userId === lost[0]?.userId);
      const again = startLoad({
        urls,
        customers,
        codes: lost.map(({ code }) => code),
        pace: { inFlight: 1 },
      });
      await again.finished;
      expect(again.calls.map(({ outcome }) => outcome)).toEqual(['ACCEPTED']);
    }, 240_000);
  },
);

/** Stops every process and loses the database. @returns the URL of an empty one */
async function destroy(where: 'a new' | 'the same', folder: string): Promise<string> {
  for (const all of [lab.cluster.apis, lab.cluster.workers]) {
    await Promise.all(all.splice(0).map((one) => one.kill9()));
  }
  if (where === 'a new') {
    await lab.cluster.postgres.kill9();
    const other = await startPostgresDependency(folder);
    cleanUps.push(() => other.stop());
    return other.url;
  }
  const client = new pg.Client({ connectionString: lab.cluster.postgres.url });
  await client.connect();
  await client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
  await client.end();
  return lab.cluster.postgres.url;
}
