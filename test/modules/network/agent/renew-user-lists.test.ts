import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { renewUserLists } from '../../../../src/modules/network/agent/renew-user-lists.ts';
import type { Database } from '../../../../src/platform/database/database.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { databaseUrlOf } from '../../../support/database.ts';
import { buildSubscription, buildUser } from '../../../support/factories.ts';
import { AgentMemory, buildFleet } from '../../../support/fleet.ts';

let api: TestApi;
let db: Database;
beforeEach(async () => {
  api = await startTestApi();
  ({ db } = api.services);
  await renewUserLists(api.services);
});
afterEach(() => api?.close());

/** What a restore does: the next call finds another database than the last one. */
const replaceDatabase = () => db.$executeRaw`UPDATE service_state SET incarnation = 'another'`;

describe('renewUserLists', () => {
  it('does nothing while the database is the same', async () => {
    expect(await renewUserLists(api.services)).toBe(false);
  });

  it('makes agents drop what only the lost database had', async () => {
    const { agent, plan } = await buildFleet(api);
    const payer = await buildSubscription(db, { planId: plan.id });
    const stranger = await buildSubscription(db, { planId: plan.id });
    const memory = await new AgentMemory().sync(agent);
    expect(memory.ids).toEqual([payer.id, stranger.id].sort());
    // As if the backup were from before: no trigger sees it.
    await db.$transaction(async (tx) => {
      await tx.$executeRaw`SET LOCAL session_replication_role = replica`;
      await tx.$executeRaw`DELETE FROM user_subscriptions WHERE id = ${stranger.id}::uuid`;
    });
    await replaceDatabase();

    expect(await renewUserLists(api.services)).toBe(true);

    expect((await memory.sync(agent)).ids).toEqual([payer.id]);
  });

  it('makes lists readable whose revisions another PostgreSQL assigned', async () => {
    const { agent, plan } = await buildFleet(api);
    const { id } = await buildSubscription(db, { planId: plan.id });
    await db.$executeRaw`UPDATE user_subscriptions SET revision = 10000000000`;
    await db.$executeRaw`UPDATE servers SET confirmed_revision = 10000000000 << 21`;
    expect((await new AgentMemory().sync(agent)).ids).toEqual([]);
    await replaceDatabase();

    expect(await renewUserLists(api.services)).toBe(true);

    const memory = await new AgentMemory().sync(agent);
    expect(memory.ids).toEqual([id]);
    // Later changes arrive as such.
    const { id: later } = await buildSubscription(db, { planId: plan.id });
    expect((await memory.sync(agent)).ids).toEqual([id, later].sort());
    expect(memory.fulls).toBe(1);
  });

  it('never assigns a revision that an earlier copy may have assigned', async () => {
    const revision = async () => {
      const [row] = await db.$queryRaw<[{ revision: bigint }]>`SELECT tessera_revision() AS revision`;
      return row.revision;
    };
    // Two copies of one backup, in new clusters whose transaction ids start again.
    await replaceDatabase();
    await renewUserLists(api.services);
    const first = await revision();
    await db.$executeRaw`UPDATE service_state SET incarnation = 'another', revision_offset = 0`;
    await new Promise((resolve) => setTimeout(resolve, 100));
    await renewUserLists(api.services);

    expect(await revision()).toBeGreaterThan(first + 50n);
  });

  it('is decided by one of several processes', async () => {
    await replaceDatabase();
    const results = await Promise.all([1, 2, 3, 4].map(() => renewUserLists(api.services)));
    expect(results.filter(Boolean)).toHaveLength(1);
  });

  it('waits for a statement that assigns a revision of the lost database', async () => {
    const { agent, plan } = await buildFleet(api);
    const { id: userId } = await buildUser(db);
    await replaceDatabase();
    const inserted = db.$queryRaw<[{ id: string }]>`
      INSERT INTO user_subscriptions (id, user_id, plan_id, token, credential)
      SELECT gen_random_uuid(), ${userId}::uuid, ${plan.id}::uuid, gen_random_uuid(), gen_random_uuid()
      FROM pg_sleep(0.5) RETURNING id::text`.then((rows) => rows[0].id);
    await new Promise((resolve) => setTimeout(resolve, 150));
    await renewUserLists(api.services);
    const memory = await new AgentMemory().sync(agent);

    const id = await inserted;

    expect((await memory.sync(agent)).ids).toEqual([id]);
  });
});

describe('the horizon', () => {
  it('ignores a transaction that is open in another database of the cluster', async () => {
    const { agent, plan } = await buildFleet(api);
    const memory = await new AgentMemory().sync(agent);
    const other = await openTransaction('postgres');
    try {
      const { id } = await buildSubscription(db, { planId: plan.id });
      expect((await memory.sync(agent)).ids).toEqual([id]);
    } finally {
      await other.end();
    }
  });

  it('waits for a transaction that is open in this database', async () => {
    const { agent, plan } = await buildFleet(api);
    const memory = await new AgentMemory().sync(agent);
    const own = await openTransaction(undefined);
    const { id } = await buildSubscription(db, { planId: plan.id });
    expect((await memory.sync(agent)).ids).toEqual([]);
    await own.end();
    expect((await memory.sync(agent)).ids).toEqual([id]);
  });
});

/** Opens a transaction with an id of its own. */
async function openTransaction(database: string | undefined): Promise<pg.Client> {
  const url = new URL(await databaseUrlOf(api.services));
  if (database) url.pathname = `/${database}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  await client.query('BEGIN');
  await client.query('SELECT pg_current_xact_id()');
  return client;
}
