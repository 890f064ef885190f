import { once } from 'node:events';
import { createServer, get, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { acceptOnManyHandles } from '../../../src/platform/http/many-handles.ts';

const CLIENTS = 40;
const log = { warn: (...told: unknown[]) => expect(told).toBe('nothing to warn of') };

async function listening(answer = async (response: ServerResponse) => void response.end('here')) {
  const server = createServer((_request, response) => void answer(response)).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

/** Clients that stand at the door before anybody looks: how many came in, in one turn of the event loop at most. */
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

describe('acceptCrowds', () => {
  it('accepts many in one turn of the event loop, where a server by itself accepts one', async () => {
    const alone = await listening();
    const crowded = await listening();
    await acceptOnManyHandles(crowded.server, log).then(onTestFinished);

    expect(await mostInOneTurn(alone)).toBe(1);
    expect(await mostInOneTurn(crowded)).toBeGreaterThan(8);
  });

  it('serves them all, and when it is told to stop still answers those who are inside', async () => {
    let [inside, done] = [0, 0];
    const { server, port } = await listening(async (response) => {
      inside += 1;
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
    while (inside < CLIENTS) await sleep(5);
    const stopped = stop();
    server.close();
    await stopped;

    // The server itself waits for those alone whom it has let in.
    expect(done).toBeGreaterThan(CLIENTS / 2);
    expect(await Promise.all(asking)).toEqual(Array(CLIENTS).fill('here'));
    await expect(ask()).rejects.toThrow('ECONNREFUSED');
  });
});
