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
import { createSecrets, type RotatingSecrets } from '../../../src/platform/keys/secrets.ts';
import { bytes32, inDays } from '../factories.ts';
import { type Cluster, startCluster } from '../processes.ts';
import { TEST_SECRET_KEY } from '../services.ts';

/** A user with a session and an access token, which expires after ten minutes. */
export interface Customer {
  userId: string;
  token: string;
}

/** Settings of codes that grant one day of a plan each. */
export interface CodeSettings {
  planId?: string;
  /** Uses of each code. Default 1. */
  maxUses?: number;
}

/** The product as processes on a PostgreSQL and Redis of their own, with direct access to both. */
export interface Lab {
  cluster: Cluster;
  db: Database;
  plan(overrides?: { quota?: number }): Promise<string>;
  customers(count: number): Promise<Customer[]>;
  codes(count: number, settings?: CodeSettings): Promise<string[]>;
  /** Enqueues jobs for the orders again, with unique job ids, to simulate duplicate deliveries. */
  enqueueAgain(orderIds: readonly string[]): Promise<void>;
  /** Describes all jobs in the queue: state and data. */
  jobs(): Promise<string[]>;
  /** Redemption keys in Redis without an expiry. */
  keysWithoutExpiry(): Promise<string[]>;
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
    keysWithoutExpiry: () => keysWithoutExpiry(cluster.redis.url),
    close: async () => {
      await db.$disconnect();
      const left = await cluster.stop();
      if (left.length > 0) throw new Error(`processes are still running: ${left}`);
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
  secrets: RotatingSecrets,
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
  // Chunks, because the statement timeout is five seconds.
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
    // A listed job may be null or already removed.
    const describe = async (job: Bull.Job | null) => `${await job?.getState()} ${JSON.stringify(job)}`;
    return Promise.all(jobs.map(describe));
  });

/** Redemption keys in Redis without an expiry. */
export async function keysWithoutExpiry(redisUrl: string): Promise<string[]> {
  const redis = new Redis(redisUrl);
  try {
    const keys = await redis.keys('redemption_*');
    const ttls = await Promise.all(keys.map((key) => redis.ttl(key)));
    return keys.filter((_, place) => ttls[place] === -1);
  } finally {
    redis.disconnect();
  }
}

/**
 * Waits until the condition is true; returns false on timeout. Errors of the condition count as
 * false.
 */
export const becomesTrue = (condition: () => Promise<boolean>, limitMs: number): Promise<boolean> =>
  pollUntil(() => condition().catch(() => false), limitMs);
