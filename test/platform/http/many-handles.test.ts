import { once } from 'node:events';
import { createServer, get, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { acceptOnManyHandles } from '../../../src/platform/http/many-handles.ts';

const CLIENTS = 40;
const log = { warn: (...logged: unknown[]) => expect(logged).toBe('nothing to warn of') };

async function listening(answer = async (response: ServerResponse) => void response.end('here')) {
  const server = createServer((_request, response) => void answer(response)).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

/**
 * Connects many clients before the event loop turns.
 *
 * @returns most connections accepted in one turn
 */
async function mostInOneTurn({ server, port }: Awaited<ReturnType<typeof listening>>): Promise<number> {
  const turns: number[] = [];
  let [inThisTurn, isOver] = [0, false];
  server.on('connection', () => {
    inThisTurn += 1;
  });
  const endTurn = () => {
    turns.push(inThisTurn);
    inThisTurn = 0;
    if (!isOver) setImmediate(endTurn);
  };
  const clients: Socket[] = Array.from({ length: CLIENTS }, () => connect(port, '127.0.0.1'));
  onTestFinished(() => clients.forEach((client) => void client.destroy()));
  endTurn();
  while (turns.reduce((sum, came) => sum + came, 0) < CLIENTS) await sleep(5);
  isOver = true;
  return Math.max(...turns);
}

describe('acceptOnManyHandles', () => {
  it('accepts many connections per turn of the event loop, where a plain server accepts one', async () => {
    const alone = await listening();
    const extended = await listening();
    await acceptOnManyHandles(extended.server, log).then(onTestFinished);

    expect(await mostInOneTurn(alone)).toBe(1);
    expect(await mostInOneTurn(extended)).toBeGreaterThan(8);
  });

  it('serves all connections, and answers pending requests while it stops', async () => {
    let [pending, done] = [0, 0];
    const { server, port } = await listening(async (response) => {
      pending += 1;
      await sleep(200);
      response.setHeader('connection', 'close').end('here');
      done += 1;
    });
    const stop = await acceptOnManyHandles(server, log);
    const ask = async () => {
      const request = get(`http://127.0.0.1:${port}`, { agent: false });
      const [response] = await once(request, 'response');
      return text(response);
    };

    const asking = Array.from({ length: CLIENTS }, ask);
    while (pending < CLIENTS) await sleep(5);
    const stopped = stop();
    server.close();
    await stopped;

    // server.close() alone waits only for connections that the server accepted itself.
    expect(done).toBeGreaterThan(CLIENTS / 2);
    expect(await Promise.all(asking)).toEqual(Array(CLIENTS).fill('here'));
    await expect(ask()).rejects.toThrow('ECONNREFUSED');
  });
});
