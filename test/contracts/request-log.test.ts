import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DeviceLoginDocument, ViewerDocument } from '../generated/graphql.ts';
import { newSecret, startTestApi, type TestApi } from '../support/api.ts';
import { unique } from '../support/factories.ts';

let lines: Record<string, unknown>[];
let api: TestApi;
beforeEach(() => {
  lines = [];
});
afterEach(() => api?.close());

const start = async (level: string) => {
  const write = (line: string) => void lines.push(JSON.parse(line));
  api = await startTestApi({ log: pino({ level }, { write }) });
};
const requests = () => lines.filter(({ msg }) => msg === 'request');

describe('the request log', () => {
  it('has one line for each request, without what the request contains', async () => {
    await start('debug');
    const [identifier, secret] = [unique('device'), newSecret()];
    const { deviceLogin } = await api.anonymous.get(DeviceLoginDocument, { input: { identifier, secret } });
    await api.anonymous.as(deviceLogin.accessToken).get(ViewerDocument);
    await fetch(`${api.url}/csv/a-token-that-nobody-may-read?bom=1`);
    await fetch(`${api.url}/nowhere-nobody-may?password=secret`);

    await expect.poll(() => requests().length).toBe(4);

    expect(requests()).toMatchObject([
      {
        method: 'POST',
        path: '/graphql',
        status: 200,
        caller: 'anonymous',
        operation: 'mutation deviceLogin',
      },
      { path: '/graphql', caller: `user ${deviceLogin.user.id}`, operation: 'query viewer', ip: '127.0.0.1' },
      { method: 'GET', path: '/csv/:token', status: 404 },
      { method: 'GET', path: '(unknown)', status: 404 },
    ]);
    for (const { ms, requestId } of requests())
      expect([typeof ms, typeof requestId]).toEqual(['number', 'string']);
    expect(JSON.stringify(lines)).not.toMatch(new RegExp(`${identifier}|${secret}|nobody-may|password=`));
  });

  it('is off unless the level is debug', async () => {
    await start('info');
    await fetch(`${api.url}/livez`);
    expect(requests()).toEqual([]);
  });
});
