import { randomUUID } from 'node:crypto';
import Bull from 'bull';
import { Redis } from 'ioredis';
import { uuidv7 } from 'uuidv7';
import { signAccessToken } from '../../../src/modules/identity/session/access-token.ts';
import { activateOrderJob } from '../../../src/modules/redemption/accept/activate-order.job.ts';
import { sealCode } from '../../../src/modules/redemption/code/code-vault.ts';
import { randomCode } from '../../../src/modules/redemption/code/redemption-code.ts';
import { pollUntil } from '../../../src/platform/concurrency/poll-until.ts';
import { createDatabase, type Database } from '../../../src/platform/database/database.ts';
import { createKeyRing, type KeyRing } from '../../../src/platform/keys/key-ring.ts';
import { createSecrets, type Secrets } from '../../../src/platform/keys/secrets.ts';
import { bytes32, inDays } from '../factories.ts';
import { type Cluster, startCluster } from '../processes.ts';
import { TEST_SECRET_KEY } from '../services.ts';

/** Somebody with a session and an access token that is good for ten minutes. */
export interface Customer {
  userId: string;
  token: string;
}

/** Codes for one day of a plan. */
export interface CodeSettings {
  planId?: string;
  /** How many users each is for; 1 when absent. */
  maxUses?: number;
}

/** The product as processes on a PostgreSQL and a Redis of its own, and a way to look into them past it. */
export interface Lab {
  cluster: Cluster;
  db: Database;
  plan(overrides?: { quota?: number }): Promise<string>;
  customers(count: number): Promise<Customer[]>;
  codes(count: number, settings?: CodeSettings): Promise<string[]>;
  /** Jobs for the orders once more, under keys of their own: as when the queue delivers twice. */
  enqueueAgain(orderIds: readonly string[]): Promise<void>;
  /** Jobs that are waiting, under way or kept: what each is and has come to. */
  jobs(): Promise<string[]>;
  /** Keys of redeeming in Redis that would stay for ever. */
  lastingKeys(): Promise<string[]>;
  close(): Promise<void>;
}

export async function startLab(settings: Parameters<typeof startCluster>[0]): Promise<Lab> {
  const cluster = await startCluster({
    ...settings,
    env: { LOG_LEVEL: 'warn', SEED: 'none', ...settings.env },
  });
  const db = createDatabase({ url: cluster.postgres.url, log: { warn: () => {} }, poolSize: 4 });
  const secrets = createSecrets({ secretKey: TEST_SECRET_KEY });
  const keys = createKeyRing({ db, secrets });
  const plan: Lab['plan'] = async (overrides = {}) =>
    (await db.plan.create({ data: { name: 'Day', ...overrides } })).id;
  return {
    cluster,
    db,
    plan,
    customers: (count) => createCustomers(db, keys, count),
    codes: async (count, { planId, maxUses = 1 } = {}) =>
      createCodes(db, secrets, { count, maxUses, planId: planId ?? (await plan()) }),
    enqueueAgain: (orderIds) => enqueue(cluster.redis.url, orderIds),
    jobs: () => listJobs(cluster.redis.url),
    lastingKeys: () => lastingKeys(cluster.redis.url),
    close: async () => {
      await db.$disconnect();
      const left = await cluster.stop();
      if (left.length > 0) throw new Error(`processes were left behind: ${left}`);
    },
  };
}

async function createCustomers(db: Database, keys: KeyRing, count: number): Promise<Customer[]> {
  const sessions = Array.from({ length: count }, () => ({ id: randomUUID(), userId: uuidv7() }));
  await db.user.createMany({ data: sessions.map(({ userId }) => ({ id: userId })) });
  await db.session.createMany({
    data: sessions.map((session) => ({ ...session, refreshSeed: bytes32(), expiresAt: inDays(30) })),
  });
  const issuedAt = new Date();
  return Promise.all(
    sessions.map(async ({ id: sessionId, userId }) => {
      const { accessToken } = await signAccessToken(keys, { userId, sessionId, issuedAt });
      return { userId, token: accessToken };
    }),
  );
}

async function createCodes(
  db: Database,
  secrets: Secrets,
  { count, maxUses, planId }: { count: number; maxUses: number; planId: string },
): Promise<string[]> {
  const { id: batchId } = await db.redemptionBatch.create({
    data: { planId, unitTime: 'DAY', quantity: 1, maxUses, count, created: count },
  });
  const codes = Array.from({ length: count }, () => randomCode());
  const rows = codes.map((code) => {
    const { lookup, ciphertext, hint } = sealCode({ secrets }, code);
    return {
      ...{ id: uuidv7(), batchId, hint, maxUses },
      ...{ lookup: Uint8Array.from(lookup), ciphertext: Uint8Array.from(ciphertext) },
    };
  });
  // No statement may take longer than some seconds.
  for (let start = 0; start < count; start += 5_000)
    await db.redemptionCode.createMany({ data: rows.slice(start, start + 5_000) });
  return codes;
}

async function withQueue<T>(redisUrl: string, work: (queue: Bull.Queue) => Promise<T>): Promise<T> {
  const queue = new Bull(activateOrderJob.name, { prefix: '{tessera}', redis: { path: redisUrl } as never });
  queue.on('error', () => {});
  try {
    return await work(queue);
  } finally {
    await queue.close();
  }
}

const enqueue = (redisUrl: string, orderIds: readonly string[]) =>
  withQueue(redisUrl, async (queue) => {
    const opts = () => ({ jobId: randomUUID(), removeOnComplete: true, removeOnFail: true });
    await queue.addBulk(orderIds.map((orderId) => ({ data: { orderId }, opts: opts() })));
  });

const listJobs = (redisUrl: string) =>
  withQueue(redisUrl, async (queue) => {
    const jobs = await queue.getJobs(['waiting', 'active', 'failed', 'delayed']);
    // One may have been done since it was listed, or stand in a list and nowhere else.
    const tell = async (job: Bull.Job | null) => `${await job?.getState()} ${JSON.stringify(job)}`;
    return Promise.all(jobs.map(tell));
  });

/** Keys of redeeming that would stay for ever. */
export async function lastingKeys(redisUrl: string): Promise<string[]> {
  const redis = new Redis(redisUrl);
  try {
    const keys = await redis.keys('redemption_*');
    const ttls = await Promise.all(keys.map((key) => redis.ttl(key)));
    return keys.filter((_, place) => ttls[place] === -1);
  } finally {
    redis.disconnect();
  }
}

/** Whether it comes true in time, where the question itself may fail meanwhile. */
export const comesTrue = (condition: () => Promise<boolean>, limitMs: number): Promise<boolean> =>
  pollUntil(() => condition().catch(() => false), limitMs);
