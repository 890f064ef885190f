import { createServer, type IncomingMessage, request as sendRequest } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/**
 * A reverse proxy that maps `<path>/graphql` to `/graphql` of a server, and keeps the Host header.
 */
export interface PathProxy {
  port: number;
  close(): Promise<void>;
}

export async function startPathProxy(target: string, path: string): Promise<PathProxy> {
  const { hostname: host, port } = new URL(target);
  const forward = ({ method, url = '', headers }: IncomingMessage) =>
    sendRequest({ host, port, method, path: url.slice(path.length), headers });
  const server = createServer((request, response) => {
    if (!request.url?.startsWith(`${path}/`)) return response.writeHead(404).end();
    const forwarded = forward(request).on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    return request.pipe(forwarded);
  });
  server.on('upgrade', (request: IncomingMessage, client: Socket) => {
    forward(request)
      .on('upgrade', (answer, socket) => {
        const headers = answer.rawHeaders.flatMap((value, index, all) =>
          index % 2 === 0 ? [`${value}: ${all[index + 1]}\r\n`] : [],
        );
        client.write(`HTTP/1.1 101 Switching Protocols\r\n${headers.join('')}\r\n`);
        for (const end of [socket, client]) end.on('error', () => {});
        socket.pipe(client).pipe(socket);
      })
      .end();
  });
  // `server.close()` does not close connections that were upgraded to websockets.
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket.once('close', () => sockets.delete(socket)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
