import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Knows the connections on which no request is under way. A server that is closed ends those that have had one, and
 * waits for all others: those of browsers that connect in advance, and of whoever never says a word.
 *
 * @returns ends them, and from then on each that becomes quiet
 */
export function trackIdleConnections(server: Server): () => void {
  const requests = new Map<Socket, number>();
  let areEnding = false;
  const change = (socket: Socket, by: number) => {
    const count = (requests.get(socket) ?? 0) + by;
    if (!socket.destroyed) requests.set(socket, count);
    if (areEnding && count === 0) socket.end();
  };
  server.on('connection', (socket: Socket) => {
    requests.set(socket, 0);
    socket.once('close', () => requests.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    change(socket, 1);
    response.once('close', () => change(socket, -1));
  });
  return () => {
    areEnding = true;
    for (const [socket, count] of requests) if (count === 0) socket.destroy();
  };
}
