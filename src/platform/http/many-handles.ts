import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Server, type Socket } from 'node:net';
import type { Logger } from '../logger.ts';

/** Connections that are accepted in one turn of the event loop. */
const HANDLES = 16;

/** How long it may take to get them. */
const LIMIT_MS = 5_000;

/** Sends the server that it is given back so often, and ends. Each comes back as a handle of its own. */
const SEND_BACK = `
  process.on('disconnect', () => process.exit());
  process.once('message', (times, server) => {
    for (let turn = 1; turn <= times; turn++) process.send('', server, () => turn === times && process.exit());
  });`;

/**
 * Accepts many connections in a turn of the event loop. libuv accepts one (since 1.45), so that under load, when a turn
 * takes long, new clients wait for as many turns as there are others before them: docs/decisions/0031. Several handles
 * of the same listening socket accept one each, and what makes them is another process that sends them back.
 *
 * @param server listens
 * @returns stops accepting by the further handles; settles once the connections that came by them have ended, for which
 *   `server.close()` does not wait
 */
export async function acceptOnManyHandles(
  server: Server,
  log: Pick<Logger, 'warn'>,
): Promise<() => Promise<void>> {
  const handles: Server[] = [];
  const helper = spawn(process.execPath, ['-e', SEND_BACK], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  helper.on('message', (_message, handle) => {
    if (handle instanceof Server) handles.push(handle.on('connection', (socket) => take(server, socket)));
  });
  try {
    helper.send(HANDLES - 1, server);
    await once(helper, 'close', { signal: AbortSignal.timeout(LIMIT_MS) });
  } catch (err) {
    helper.kill('SIGKILL');
    log.warn({ err }, 'new connections are accepted one at a time');
  }
  return async () => {
    await Promise.all(handles.map((handle) => new Promise((closed) => handle.close(closed))));
  };
}

/** As the server itself takes those that it accepts. */
function take(server: Server, socket: Socket): void {
  socket.allowHalfOpen = true;
  socket.setNoDelay(true);
  server.emit('connection', socket);
}
