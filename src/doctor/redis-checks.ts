import type { Redis } from '../platform/redis/redis.ts';
import { type Check, fail, ok, type RedisPatient, warn } from './check.ts';

const role: Check<RedisPatient> = async ({ redis }) => {
  const info = await readInfo(redis);
  if (info.role === 'slave') {
    return fail('redis', 'is a replica, which refuses writes', 'Set REDIS_URL to the primary.');
  }
  if (info.rdb_last_bgsave_status === 'err' || info.aof_last_write_status === 'err') {
    return fail(
      'redis',
      'cannot save to its disk, and may refuse writes',
      'Look at its log, and free space.',
    );
  }
  return ok('redis', `Redis ${info.redis_version}, primary`);
};

const policy: Check<RedisPatient> = async ({ redis }) => {
  const { maxmemory_policy: current } = await readInfo(redis);
  if (current === 'noeviction') return ok('redis-policy', 'evicts nothing');
  return fail(
    'redis-policy',
    `evicts keys (${current}), so queues lose jobs`,
    'CONFIG SET maxmemory-policy noeviction',
  );
};

const persistence: Check<RedisPatient> = async ({ redis }) => {
  const { aof_enabled: aof } = await readInfo(redis);
  if (aof === '1') return ok('redis-persistence', 'append-only file');
  return warn(
    'redis-persistence',
    'without an append-only file a restart loses the queue; orders are then activated five seconds later',
    'CONFIG SET appendonly yes',
  );
};

const memory: Check<RedisPatient> = async ({ redis }) => {
  const { used_memory: used, maxmemory } = await readInfo(redis);
  const [bytes, limit] = [Number(used), Number(maxmemory)];
  const message = `${megabytes(bytes)} in use${limit > 0 ? ` of ${megabytes(limit)}` : ''}`;
  if (limit === 0 || bytes < limit * 0.8) return ok('redis-memory', message);
  return fail('redis-memory', message, 'Raise maxmemory: a full Redis refuses new redemptions.');
};

const megabytes = (bytes: number) => `${Math.ceil(bytes / 1_000_000)} MB`;

const MAX_CLOCK_SECONDS = 60;

const clock: Check<RedisPatient> = async ({ redis }) => {
  const [seconds, microseconds] = await redis.time();
  const difference = Math.abs(Number(seconds) + Number(microseconds) / 1e6 - Date.now() / 1_000);
  const message = `Redis' clock differs from that of this host by ${difference.toFixed(1)} s`;
  if (difference <= MAX_CLOCK_SECONDS) return ok('redis-clock', message);
  return warn('redis-clock', message, 'Synchronize both hosts.');
};

async function readInfo(redis: Redis): Promise<Record<string, string>> {
  const lines = (await redis.info()).split('\r\n').filter((line) => line.includes(':'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
}

export const REDIS_CHECKS: readonly Check<RedisPatient>[] = [role, policy, persistence, memory, clock];
