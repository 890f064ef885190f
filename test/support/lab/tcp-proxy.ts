import { createServer, connect as dial, type Server, type Socket } from 'node:net';

/** A proxy between a process and a server it depends on, which can simulate network faults. */
export interface TcpProxy {
  /** The port on 127.0.0.1 to connect to instead of the server. */
  port: number;
  /** Delays every chunk, in both directions. */
  delay(ms: number): void;
  /**
   * Passes nothing on and closes nothing, like a packet filter that drops everything. Accepts new
   * connections.
   */
  blackHole(): void;
  /** Passes requests on and holds responses back until `heal`. */
  muteServer(): void;
  /** Resets all connections; new ones pass. */
  reset(): void;
  /** Half-closes all connections: the server sees the end, the client does not. */
  halfClose(): void;
  /** Ends all faults and passes on what was held back. */
  heal(): void;
  close(): Promise<void>;
}

interface Wire {
  client: Socket;
  server: Socket;
  held: (() => void)[];
}

/** @param target a port on this machine, or the path of a unix socket */
export async function startTcpProxy(target: { port: number } | { path: string }): Promise<TcpProxy> {
  const state = { delayMs: 0, clientsAreHeld: false, serverIsHeld: false };
  const wires = new Set<Wire>();
  const listener = createServer({ allowHalfOpen: true }, (client) => {
    const server = dial({ ...target, allowHalfOpen: true });
    const wire: Wire = { client, server, held: [] };
    wires.add(wire);
    pass(wire, client, server, () => state.clientsAreHeld);
    pass(wire, server, client, () => state.serverIsHeld);
    const end = () => {
      client.destroy();
      server.destroy();
      wires.delete(wire);
    };
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', end).on('close', end);
    }
  });
  function pass(wire: Wire, from: Socket, to: Socket, isHeld: () => boolean): void {
    const send = (work: () => void) => {
      if (isHeld()) wire.held.push(work);
      else if (state.delayMs > 0) setTimeout(work, state.delayMs);
      else work();
    };
    from.on('data', (chunk) => send(() => void (to.writable && to.write(chunk))));
    from.on('end', () => send(() => void to.end()));
  }
  await new Promise<void>((done) => listener.listen(0, '127.0.0.1', done));
  return {
    port: portOf(listener),
    delay: (ms) => {
      state.delayMs = ms;
    },
    blackHole: () => {
      state.clientsAreHeld = true;
      state.serverIsHeld = true;
    },
    muteServer: () => {
      state.serverIsHeld = true;
    },
    reset: () => {
      for (const { client, server } of wires) {
        client.resetAndDestroy();
        server.destroy();
      }
    },
    halfClose: () => {
      for (const { server } of wires) server.end();
    },
    heal: () => {
      Object.assign(state, { delayMs: 0, clientsAreHeld: false, serverIsHeld: false });
      for (const wire of wires) for (const work of wire.held.splice(0)) work();
    },
    close: async () => {
      for (const { client, server } of wires) {
        client.destroy();
        server.destroy();
      }
      await new Promise((done) => listener.close(done));
    },
  };
}

function portOf(listener: Server): number {
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy is not listening');
  return address.port;
}
