import { seedDemo } from '../prisma/seed.ts';
import type { Config } from './config.ts';
import { connect } from './connect.ts';
import { createShared } from './context.ts';
import { type RunningServer, startServer } from './http/server.ts';
import { ensureAdmin } from './modules/lifecycle/admin/ensure-admin.ts';
import { reassignRevisions } from './modules/network/agent/reassign-revisions.ts';
import { armCrashPoints } from './platform/crash-points.ts';
import { type Embedded, startEmbedded } from './platform/embedded/embedded.ts';
import type { Logger } from './platform/logger.ts';
import { migrate } from './platform/migrations/migrate.ts';
import type { RunningServices } from './platform/services.ts';
import { createSchema } from './schema.ts';
import { startWorker } from './worker.ts';

interface LaunchSettings {
  config: Config;
  log: Logger;
  /** Shows a line to the person at the terminal. */
  say: (line: string) => void;
}

/** A process that serves. */
export interface Launched {
  /** Stops everything in the order in which it needs each other. */
  stop: () => Promise<void>;
}

/**
 * Brings up what the process needs for its role, one after the other, and tells when it is ready.
 *
 * @throws EmbeddedError, MigrationError, LaunchError or EADDRINUSE; what was started until then is stopped
 */
export async function launch(settings: LaunchSettings): Promise<Launched> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const next of stops.splice(0).reverse()) await next();
  };
  try {
    await bringUp(settings, (next) => stops.push(next));
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

async function bringUp(settings: LaunchSettings, onStop: (stop: () => Promise<void>) => void): Promise<void> {
  const { config, log, say } = settings;
  if (config.CRASH_POINTS) armCrashPoints(config.CRASH_POINTS);
  const embedded = await startServers(settings);
  if (embedded) onStop(embedded.stop);
  const databaseUrl = config.DATABASE_URL ?? embedded?.databaseUrl ?? '';
  const { applied } = await migrate(databaseUrl);
  if (applied.length > 0) say(`Database: ${applied.length} migrations applied.`);

  const services = await connect({
    databaseUrl,
    redisUrl: config.REDIS_URL ?? embedded?.redisUrl ?? '',
    secretKey: config.SECRET_KEY ?? embedded?.secretKey ?? '',
    previousSecretKey: config.SECRET_KEY_PREVIOUS,
    rateLimits: config.RATE_LIMITS,
    log,
  });
  onStop(services.close);
  await reassignRevisions(services);
  const demoCode = await prepareData(settings, services, embedded?.fresh ?? false);

  if (config.ROLE !== 'api') onStop(startWorker(services, config).stop);
  const server = await serve(settings, services);
  onStop(server.close);
  onStop(async () => {
    server.announceShutdown();
    await new Promise((resolve) => setTimeout(resolve, config.SHUTDOWN_DELAY_MS));
  });
  announce(settings, server, demoCode);
}

/** DATA_DIR is only touched when something in it is needed. */
async function startServers({ config, say }: LaunchSettings): Promise<Embedded | undefined> {
  const needPostgres = config.DATABASE_URL === undefined;
  const needRedis = config.REDIS_URL === undefined;
  if (!needPostgres && !needRedis && config.SECRET_KEY !== undefined) return undefined;
  const started = [needPostgres && 'PostgreSQL', needRedis && 'Redis'].filter(Boolean).join(' and ');
  if (started) say(`Starting a private ${started} in ${config.DATA_DIR} …`);
  return startEmbedded({
    dataDir: config.DATA_DIR,
    needPostgres,
    needRedis,
    log: say,
    redisServer: config.REDIS_SERVER_BIN,
  });
}

/** The first admin, and the demo data where they are wanted. Gives a code to redeem when one was made. */
async function prepareData(
  { config, say }: LaunchSettings,
  services: RunningServices,
  isFresh: boolean,
): Promise<string | null> {
  const admin = await ensureAdmin(services, { email: config.ADMIN_EMAIL, password: config.ADMIN_PASSWORD });
  if (admin?.generatedPassword) {
    say(
      `Admin: ${admin.email}, password ${admin.generatedPassword} (shown this once; ADMIN_PASSWORD sets another)`,
    );
  }
  if ((config.SEED ?? (isFresh ? 'demo' : 'none')) !== 'demo') return null;
  const { code } = await seedDemo(services);
  if (code) say('Demo data: plans, codes, servers, nodes and ads.');
  return code;
}

async function serve({ config }: LaunchSettings, services: RunningServices): Promise<RunningServer> {
  if (config.ROLE === 'worker') return startServer({ services, config });
  const graphql = { schema: await createSchema(), shared: createShared(services, config) };
  return startServer({ services, config, graphql });
}

function announce({ config, say }: LaunchSettings, { url }: RunningServer, demoCode: string | null): void {
  const isWorker = config.ROLE === 'worker';
  const parts = isWorker
    ? [`Health ${url}/readyz`]
    : [`GraphQL ${url}/graphql`, `playground ${url}/playground`, `admin ${config.ADMIN_EMAIL}`];
  if (demoCode) parts.push(`a code to redeem: ${demoCode}`);
  say(`${isWorker ? 'Tessera worker' : 'Tessera'} is ready. ${parts.join(', ')}`);
}
