import { existsSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { startServer } from '../../src/http/server.ts';
import { startTestApi, type TestApi } from '../support/api.ts';

let api: TestApi;
beforeAll(async () => {
  if (!existsSync('dist/playground/index.html'))
    throw new Error('dist/playground is missing: run npm run build.');
  api = await startTestApi();
});
afterAll(() => api.close());

async function get(path: string) {
  const response = await fetch(`${api.url}${path}`, { redirect: 'manual' });
  // An unread body would keep the connection open.
  await response.arrayBuffer();
  return response;
}

describe('/playground', () => {
  it('redirects to the page with a relative URL, so that it works behind any proxy', async () => {
    const { status, headers } = await get('/playground');

    expect([status, headers.get('location')]).toEqual([302, 'playground/']);
  });

  it('has a content security policy that allows its own origin only', async () => {
    const { status, headers } = await get('/playground/');

    expect(status).toBe(200);
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none';script-src 'self';worker-src 'self';style-src 'self' 'unsafe-inline';font-src 'self' data:;" +
        "img-src 'self' data:;connect-src 'self';base-uri 'none';form-action 'none';frame-ancestors 'none'",
    );
    expect(headers.get('cache-control')).toBe('no-cache');
    expect((await get('/livez')).headers.get('content-security-policy')).toBe(
      "default-src 'none';frame-ancestors 'none'",
    );
  });

  it('serves assets as immutable', async () => {
    const [asset] = readdirSync('dist/playground/assets');

    const { status, headers } = await get(`/playground/assets/${asset}`);

    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  });

  it.each(['nothing', '.made-from', '..%2f..%2fpackage.json', 'assets/', '%00'])(
    'responds with a client error for %s',
    async (path) => {
      const { status, headers } = await get(`/playground/${path}`);

      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
      expect(headers.get('cache-control') ?? '').not.toContain('immutable');
      expect(headers.get('content-type')).toContain('application/json');
    },
  );

  it('is not served by a worker', async () => {
    const worker = await startServer({ services: api.services, config: readConfig({ PORT: '0' }) });
    try {
      expect((await fetch(`${worker.url}/playground/`)).status).toBe(404);
    } finally {
      await worker.close();
    }
  });
});
