import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../support/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api?.close());

const QUERY = JSON.stringify({ query: '{ plans { id } }' });

/**
 * Sends bytes over a new connection, and returns everything received until the server closes it.
 */
function raw(...parts: string[]): { socket: Socket; answer: Promise<string> } {
  const { hostname, port } = new URL(api.url);
  const socket = connect(Number(port), hostname, () => socket.write(parts.join('')));
  const answer = new Promise<string>((resolve) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.once('close', () => resolve(text));
  });
  return { socket, answer };
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);

const asks = async () =>
  (
    await fetch(`${api.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: QUERY,
    })
  ).status;

describe('an HTTP request', () => {
  it.each(['gzip', 'deflate', 'br', 'gzip, identity'])(
    'is refused if its body is compressed (%s)',
    async (encoding) => {
      const response = await fetch(`${api.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-encoding': encoding },
        body: gzipSync(JSON.stringify({ query: `{ plans { id } } # ${' '.repeat(10_000_000)}` })),
      });

      expect(response.status).toBe(415);
      expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
    },
  );

  it('is rejected with 431 if its headers are too large', async () => {
    const { answer } = raw(
      'GET /livez HTTP/1.1\r\nHost: x\r\n',
      `X-Big: ${'x'.repeat(20_000)}\r\n`.repeat(2),
    );

    expect(statusOf(await answer)).toBe(431);
  });

  it.each([
    ['data that is not HTTP', '\u0016\u0003\u0001\u0002 hello\r\n\r\n'],
    [
      'two Content-Length headers',
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!',
    ],
    [
      'both Content-Length and Transfer-Encoding',
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['an invalid chunk', 'POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
  ])('is rejected with 400 for %s', async (_, bytes) => {
    expect(statusOf(await raw(bytes).answer)).toBe(400);
  });

  it('times out after ten seconds if its headers are incomplete or nothing is sent', async () => {
    const startedAt = performance.now();
    const slow = raw('POST /graphql HTTP/1.1\r\nHost: x\r\n');
    const silent = raw('');
    const drip = setInterval(() => slow.socket.write('X-A: b\r\n'), 500);
    const [answer] = await Promise.all([slow.answer, silent.answer]);
    clearInterval(drip);

    expect(statusOf(answer)).toBe(408);
    expect(performance.now() - startedAt).toBeLessThan(16_000);
  });

  it('gets a response while many other connections stall', async () => {
    const idle = Array.from({ length: 500 }, () =>
      raw(
        'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
      ),
    );
    await sleep(200);

    expect(await asks()).toBe(200);
    for (const { socket } of idle) socket.destroy();
  });

  it('does not crash the process when it is aborted at any point', async () => {
    const whole = `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${QUERY.length}\r\n\r\n${QUERY}`;
    for (let end = 1; end < whole.length; end += 7) {
      const { socket } = raw(whole.slice(0, end));
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.resetAndDestroy();
    }

    expect(await asks()).toBe(200);
  });
});

describe('a websocket handshake', () => {
  it.each([
    ['/nowhere', ''],
    ['/graphql', 'Origin: https://evil.example\r\n'],
    ['/graphql', ''],
  ])('at %s does not crash the process when the client disconnects immediately %s', async (path, headers) => {
    for (let time = 0; time < 50; time++) {
      const { socket } = raw(
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n`,
        `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n${headers}\r\n`,
      );
      await new Promise((resolve) => socket.once('connect', resolve));
      if (time % 2) await sleep(Math.random() * 5);
      socket.resetAndDestroy();
    }

    expect(await asks()).toBe(200);
  });
});

describe('every response', () => {
  it('has headers that forbid MIME sniffing, framing and loading resources', async () => {
    for (const path of ['/livez', '/graphql', '/nowhere', '/.well-known/jwks.json']) {
      const { headers } = await fetch(`${api.url}${path}`);
      expect(Object.fromEntries(headers)).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': expect.stringMatching(/DENY|SAMEORIGIN/),
        'content-security-policy': expect.stringContaining("default-src 'none'"),
        'strict-transport-security': expect.stringContaining('max-age='),
        'referrer-policy': 'no-referrer',
      });
      expect(headers.get('x-powered-by')).toBeNull();
      expect(headers.get('server')).toBeNull();
    }
  });
});
