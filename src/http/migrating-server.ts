import { createServer } from 'node:http';
import type { Config } from '../config.ts';

/** The server that listens until the database is migrated. */
export interface MigratingServer {
  /** Frees the port. */
  close: () => Promise<void>;
}

/**
 * Answers probes while migrations run: `/livez` with 200, so that the process is not killed for
 * being slow, and everything else with 503 and the status `migrating`.
 *
 * @throws Error EADDRINUSE if the port is in use
 */
export async function startMigratingServer({
  HOST,
  PORT,
}: Pick<Config, 'HOST' | 'PORT'>): Promise<MigratingServer> {
  const server = createServer((request, response) => {
    const isAlive = request.url === '/livez';
    response
      .writeHead(isAlive ? 200 : 503, { 'content-type': 'application/json', 'retry-after': '5' })
      .end(JSON.stringify({ status: isAlive ? 'ok' : 'migrating' }));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen({ host: HOST, port: PORT }, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
