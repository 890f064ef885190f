import { once } from 'node:events';
import { createServer, get } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { acceptCrowds } from '../../../src/platform/http/accept-crowds.ts';

const CLIENTS = 40;
const log = { warn: (...told: unknown[]) => expect(told).toBe('nothing to warn of') };

async function listening() {
  const server = createServer((_request, response) => response.end('here')).listen(0, '127.0.0.1');
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
    await acceptCrowds(crowded.server, log).then(onTestFinished);

    expect(await mostInOneTurn(alone)).toBe(1);
    expect(await mostInOneTurn(crowded)).toBeGreaterThan(8);
  });

  it('serves them all, and stops when it is told to', async () => {
    const { server, port } = await listening();
    const stop = await acceptCrowds(server, log);
    const ask = async () => {
      const request = get(`http://127.0.0.1:${port}`, { agent: false });
      const [response] = await once(request, 'response');
      return text(response);
    };

    expect(await Promise.all(Array.from({ length: CLIENTS }, ask))).toEqual(Array(CLIENTS).fill('here'));

    stop();
    server.close();
    await once(server, 'close');
    await expect(ask()).rejects.toThrow('ECONNREFUSED');
  });
});
