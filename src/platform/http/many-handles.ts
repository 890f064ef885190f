import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Server, type Socket } from 'node:net';
import type { Logger } from '../logger.ts';

/** Connections that are accepted per turn of the event loop. */
const HANDLES = 16;

/** Time limit for creating the handles. */
const LIMIT_MS = 5_000;

/**
 * Sends the received server back `times` times and exits. Each copy arrives as a handle of its own.
 */
const SEND_BACK = `
  process.on('disconnect', () => process.exit());
  process.once('message', (times, server) => {
    for (let turn = 1; turn <= times; turn++) process.send('', server, () => turn === times && process.exit());
  });`;

/**
 * Accepts many connections per turn of the event loop. libuv accepts only one per handle (since
 * 1.45), so that under load, when turns are slow, new clients queue for one turn each:
 * docs/decisions/0031. Several handles of the same listening socket accept one each. A helper
 * process duplicates the handle by sending it back.
 *
 * @param server must be listening
 * @returns a function that stops accepting on the additional handles, and settles once their
 *   connections have closed, for which `server.close()` does not wait
 */
export async function acceptOnManyHandles(
  server: Server,
  log: Pick<Logger, 'warn'>,
): Promise<() => Promise<void>> {
  const handles: Server[] = [];
  const helper = spawn(process.execPath, ['-e', SEND_BACK], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  helper.on('message', (_message, handle) => {
    if (handle instanceof Server) handles.push(handle.on('connection', (socket) => adopt(server, socket)));
  });
  try {
    helper.send(HANDLES - 1, server);
    await once(helper, 'close', { signal: AbortSignal.timeout(LIMIT_MS) });
  } catch (err) {
    helper.kill('SIGKILL');
    log.warn({ err }, 'failed to duplicate the listening handle; connections are accepted one per turn');
  }
  return async () => {
    await Promise.all(handles.map((handle) => new Promise((closed) => handle.close(closed))));
  };
}

/** Hands the connection to the server, with the settings of connections that it accepts itself. */
function adopt(server: Server, socket: Socket): void {
  socket.allowHalfOpen = true;
  socket.setNoDelay(true);
  server.emit('connection', socket);
}
