import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Tracks connections without a pending request. `server.close()` closes only those that have had a
 * request, and waits for others, such as connections that browsers open in advance.
 *
 * @returns a function that closes idle connections, and from then on each connection that becomes
 *   idle
 */
export function trackIdleConnections(server: Server): () => void {
  const requests = new Map<Socket, number>();
  let isClosing = false;
  const change = (socket: Socket, by: number) => {
    const count = (requests.get(socket) ?? 0) + by;
    if (!socket.destroyed) requests.set(socket, count);
    if (isClosing && count === 0) socket.end();
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
    isClosing = true;
    for (const [socket, count] of requests) if (count === 0) socket.destroy();
  };
}
