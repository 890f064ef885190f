import { join } from 'node:path';
import { LoginDocument } from '../generated/graphql.ts';
import { type Client, createClient } from './client.ts';
import { type Dependency, startPostgresDependency, startRedisDependency } from './dependencies.ts';
import { type RunningProcess, startProcess } from './process.ts';
import { makeScratch } from './scratch.ts';
import { TEST_SECRET_KEY } from './services.ts';

/** API and worker processes, with a PostgreSQL and Redis of their own. */
export interface Cluster {
  postgres: Dependency;
  redis: Awaited<ReturnType<typeof startRedisDependency>>;
  /** In start order; `start` appends. */
  apis: RunningProcess[];
  workers: RunningProcess[];
  /** The environment common to all processes. */
  env: Record<string, string>;
  /** Starts another process. */
  start(role: 'api' | 'worker', env?: Record<string, string>): Promise<RunningProcess>;
  /** A client of the nth API process. */
  client(api: number, token?: string): Client;
  /** A client of the nth API process, logged in as the first admin. */
  admin(api: number): Promise<Client>;
  /**
   * Stops everything, including frozen processes, and removes all files. Returns the pids still
   * running before.
   */
  stop(): Promise<number[]>;
}

interface ClusterSettings {
  /** The number of processes, or additional environment variables of each. */
  api: number | Record<string, string>[];
  workers: number;
  env?: Record<string, string>;
}

const ADMIN = { email: 'admin@tessera.local', password: 'correct horse battery staple' };

/**
 * Starts servers, then all processes concurrently: one migrates and creates the admin, the others
 * wait.
 */
export async function startCluster({ api, workers, env: more }: ClusterSettings): Promise<Cluster> {
  const scratch = makeScratch();
  try {
    const [postgres, redis] = await Promise.all([
      startPostgresDependency(scratch.path),
      startRedisDependency(scratch.path),
    ]);
    const env = {
      ...{ DATABASE_URL: postgres.url, REDIS_URL: redis.url, SECRET_KEY: TEST_SECRET_KEY },
      ...{ RATE_LIMITS: 'off', ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password, ...more },
    };
    const launch = (role: 'api' | 'worker', own: Record<string, string> = {}) =>
      startProcess({ directory: join(scratch.path, role), role, env: { ...env, ...own } });
    const environments = typeof api === 'number' ? Array.from({ length: api }, () => ({})) : api;
    const [apis, working] = await Promise.all([
      Promise.all(environments.map((own) => launch('api', own))),
      Promise.all(Array.from({ length: workers }, () => launch('worker'))),
    ]);
    return assemble({ postgres, redis, env, apis, workers: working }, launch, scratch);
  } catch (error) {
    await scratch.remove();
    throw error;
  }
}

function assemble(
  parts: Pick<Cluster, 'postgres' | 'redis' | 'env' | 'apis' | 'workers'>,
  launch: Cluster['start'],
  scratch: ReturnType<typeof makeScratch>,
): Cluster {
  const { postgres, redis, apis, workers } = parts;
  const clients: Client[] = [];
  const client: Cluster['client'] = (api, token) => {
    const made = createClient(apis[api]?.url ?? '', token);
    clients.push(made);
    return made;
  };
  return {
    ...parts,
    client,
    start: async (role, env) => {
      const started = await launch(role, env);
      (role === 'api' ? apis : workers).push(started);
      return started;
    },
    admin: async (api) => {
      const admin = client(api);
      const { login } = await admin.get(LoginDocument, { input: ADMIN });
      admin.token = login.accessToken;
      return admin;
    },
    stop: async () => {
      await Promise.allSettled(clients.map((made) => made.close()));
      postgres.resume();
      redis.resume();
      await Promise.allSettled([...apis, ...workers].map((running) => running.stop()));
      await Promise.allSettled([postgres.stop(), redis.stop()]);
      const left = scratch.living();
      await scratch.remove();
      return left;
    },
  };
}
