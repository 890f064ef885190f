import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

/** A recording proxy between a client and a server. */
export interface Wire {
  /** URL that clients connect to. */
  url: string;
  /** Number of recorded bytes. */
  size(): number;
  /**
   * Returns those of the words that occur in the recorded stream of one direction of a connection.
   */
  seen(words: readonly string[]): string[];
  close(): Promise<void>;
}

/** Forwards connections to a server, and records every byte. */
export async function tapWire(serverUrl: string): Promise<Wire> {
  const { hostname, port } = new URL(serverUrl);
  const recordings: Buffer[][] = [];
  const sockets = new Set<Socket>();
  const record = (from: Socket, to: Socket) => {
    const recording: Buffer[] = [];
    recordings.push(recording);
    sockets.add(from.on('data', (bytes: Buffer) => recording.push(bytes)).on('error', () => {}));
    from.pipe(to);
  };
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname);
    record(client, server);
    record(server, client);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const streams = () => recordings.map((recording) => Buffer.concat(recording));
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    size: () => streams().reduce((sum, { length }) => sum + length, 0),
    seen: (words) => words.filter((word) => streams().some((stream) => stream.includes(word))),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
