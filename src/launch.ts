import { seedDemo } from '../prisma/seed.ts';
import type { Config } from './config.ts';
import { connect, embeddedOptions, serviceSettings } from './connect.ts';
import { createShared } from './context.ts';
import { startHeartbeat } from './heartbeat.ts';
import { type MigratingServer, startMigratingServer } from './http/migrating-server.ts';
import { type RunningServer, startServer } from './http/server.ts';
import { ensureAdmin } from './modules/lifecycle/admin/ensure-admin.ts';
import { normalizeStoredEmails } from './modules/lifecycle/login/normalize-stored-emails.ts';
import { reportPortConflicts } from './modules/network/node/report-port-conflicts.ts';
import { withTimeLimit } from './platform/concurrency/time-limit.ts';
import { armCrashPoints, crashPoint } from './platform/crash-points.ts';
import { finishFirstStart, isFirstStart } from './platform/database/first-start.ts';
import { type Embedded, startEmbedded } from './platform/embedded/embedded.ts';
import type { Logger } from './platform/logger.ts';
import { migrate } from './platform/migrations/migrate.ts';
import { withoutRepeats } from './platform/repeated-log.ts';
import type { RunningServices } from './platform/services.ts';
import { startTelemetry, type Telemetry } from './platform/telemetry/start-telemetry.ts';
import { createSchema } from './schema.ts';
import { startWorker } from './worker.ts';

interface LaunchSettings {
  config: Config;
  log: Logger;
  /** Prints a line for the operator. */
  say: (line: string) => void;
}

/** A running process. */
export interface Launched {
  /** Stops everything gracefully, in reverse order of the start. */
  stop: () => Promise<void>;
}

/**
 * Starts everything that the role of the process needs, and prints a line when it is ready. If a
 * step fails, stops what was started before it.
 *
 * @throws EmbeddedError, MigrationError, LaunchError or EADDRINUSE
 */
export async function launch(settings: LaunchSettings): Promise<Launched> {
  const stops: Stop[] = [];
  const stop = () => stopAll(stops.splice(0).reverse(), settings.log);
  try {
    await start(settings, (next) => stops.push(next));
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

/** How long everything but the private servers may take to stop. */
const STOP_LIMIT_MS = 12_000;

interface Stop {
  name: string;
  stop: () => Promise<void>;
  /** Whether to wait for the end of it, however long the others have taken. */
  isEssential?: boolean;
}

/**
 * Stops one after the other. What fails or hangs, for example without Redis, does not keep the rest
 * from being stopped; orders are safe in PostgreSQL at any moment.
 */
async function stopAll(stops: readonly Stop[], log: Logger): Promise<void> {
  const limit = Date.now() + STOP_LIMIT_MS;
  for (const { name, stop, isEssential } of stops) {
    const stopped = stop().catch((err: unknown) => log.warn({ err, step: name }, 'failed to stop cleanly'));
    if (isEssential) {
      await stopped;
      continue;
    }
    await withTimeLimit(stopped, Math.max(0, limit - Date.now()), () =>
      log.warn({ step: name }, 'did not stop in time, going on without it'),
    );
  }
}

async function start(settings: LaunchSettings, onStop: (stop: Stop) => void): Promise<void> {
  const { config, log } = settings;
  if (config.CRASH_POINTS) armCrashPoints(config.CRASH_POINTS);
  const embedded = await startEmbeddedServers(settings);
  if (embedded) onStop({ name: 'private servers', stop: embedded.stop, isEssential: true });
  const connection = serviceSettings(config, embedded, log);
  await migrateWithProbes(settings, connection.databaseUrl);

  const services = await connect(connection, config.ROLE);
  onStop({ name: 'connections', stop: services.close });
  const telemetry = await exportTelemetry(config, services);
  if (telemetry) onStop({ name: 'telemetry', stop: telemetry.stop });
  const { problem, stop: stopHeartbeat } = startHeartbeat(services, services.own);
  onStop({ name: 'heartbeat', stop: stopHeartbeat });
  await normalizeStoredEmails(services);
  await reportPortConflicts(services);
  await crashPoint('launch.afterConnect');
  const demoCode = await prepareData(settings, services, embedded?.databaseUrl !== undefined);

  const server = await serve(settings, services, { problem, telemetry });
  // Last, so that the process is ready before it works. It stops after the server, so that it
  // activates what the server has accepted.
  if (config.ROLE !== 'api') onStop({ name: 'worker', stop: startWorker(services, config).stop });
  onStop({ name: 'server', stop: server.close });
  onStop({
    name: 'announcement',
    stop: async () => {
      server.announceShutdown();
      await new Promise((resolve) => setTimeout(resolve, config.SHUTDOWN_DELAY_MS));
    },
  });
  announce(settings, server, demoCode);
  // The process serves already.
  await finishFirstStart(services).catch((err: unknown) =>
    log.warn({ err }, 'failed to record the first start; the next one repeats it'),
  );
}

/** Answers probes meanwhile, so that a long migration is not taken for a start that has failed. */
async function migrateWithProbes({ config, say }: LaunchSettings, databaseUrl: string): Promise<void> {
  let probes: MigratingServer | undefined;
  const onPending = async () => {
    probes = await startMigratingServer(config);
  };
  try {
    const { applied } = await migrate(databaseUrl, { say, onPending });
    if (applied.length > 0) say(`Database: ${applied.length} migrations applied.`);
  } finally {
    await probes?.close();
  }
}

async function startEmbeddedServers({ config, say }: LaunchSettings): Promise<Embedded | undefined> {
  const options = embeddedOptions(config, say);
  if (!options) return undefined;
  const { needPostgres, needRedis } = options;
  const servers = [needPostgres && 'PostgreSQL', needRedis && 'Redis'].filter(Boolean).join(' and ');
  if (servers) say(`Starting a private ${servers} in ${config.DATA_DIR} …`);
  return startEmbedded(options);
}

/**
 * Creates the first admin, and the demo data if they are configured. By default they are for a
 * private database, and an attempt after a start that has failed half-way completes them.
 *
 * @returns a redeemable demo code on the first start; otherwise null
 */
async function prepareData(
  { config, say }: LaunchSettings,
  services: RunningServices,
  isPrivate: boolean,
): Promise<string | null> {
  const admin = await ensureAdmin(services, { email: config.ADMIN_EMAIL, password: config.ADMIN_PASSWORD });
  if (admin?.generatedPassword) {
    say(
      `Admin: ${admin.email}, password ${admin.generatedPassword} (shown only once; ADMIN_PASSWORD sets your own)`,
    );
  }
  await crashPoint('launch.afterAdmin');
  const isFirst = await isFirstStart(services);
  if ((config.SEED ?? (isPrivate && isFirst ? 'demo' : 'none')) !== 'demo') return null;
  const { created, code } = await seedDemo(services);
  if (!created && !isFirst) return null;
  say('Demo data: plans, codes, servers, nodes and ads.');
  return code;
}

async function exportTelemetry(
  config: Config,
  { processId, log }: RunningServices,
): Promise<Telemetry | undefined> {
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (!endpoint) return undefined;
  return startTelemetry({
    ...{ endpoint, serviceName: config.OTEL_SERVICE_NAME, traceRatio: config.OTEL_TRACES_SAMPLER_ARG },
    ...{ role: config.ROLE, processId, log: withoutRepeats(log) },
  });
}

async function serve(
  { config }: LaunchSettings,
  services: RunningServices,
  shared: { problem: () => string | null; telemetry: Telemetry | undefined },
): Promise<RunningServer> {
  if (config.ROLE === 'worker') return startServer({ services, config, ...shared });
  const graphql = { schema: await createSchema(), shared: createShared(services, config) };
  return startServer({ services, config, graphql, ...shared });
}

function announce({ config, say }: LaunchSettings, { url }: RunningServer, demoCode: string | null): void {
  const isWorker = config.ROLE === 'worker';
  const parts = isWorker
    ? [`Health ${url}/readyz`]
    : [`GraphQL ${url}/graphql`, `playground ${url}/playground`, `admin ${config.ADMIN_EMAIL}`];
  if (demoCode) parts.push(`a code to redeem: ${demoCode}`);
  say(`${isWorker ? 'Tessera worker' : 'Tessera'} is ready. ${parts.join(', ')}`);
}
