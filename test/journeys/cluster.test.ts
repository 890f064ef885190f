import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import {
  DeviceLoginDocument,
  type DeviceLoginMutation,
  LogoutDocument,
  PlansDocument,
  ViewerChangedDocument,
  ViewerDocument,
} from '../generated/graphql.ts';
import { newSecret } from '../support/api.ts';
import type { Client } from '../support/client.ts';
import { unique } from '../support/factories.ts';
import { type Cluster, startCluster } from '../support/processes.ts';

// Each start needs about a second of CPU time, which can take long on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

const METRICS_TOKEN = 'a token for those who measure';

let cluster: Cluster;
// The cluster is undefined if its start failed, which should be the reported error.
const stop = (started: Cluster | undefined) => started?.stop() ?? [];

beforeAll(async () => {
  cluster = await startCluster({
    api: [{ TRUST_PROXY: '0', METRICS_TOKEN }, { TRUST_PROXY: '1' }],
    workers: 1,
  });
});
afterAll(async () => {
  expect(await stop(cluster)).toEqual([]);
});

/** Creates an account through the nth API process. */
async function newUser(api: number): Promise<Client> {
  const client = cluster.client(api);
  const input = { identifier: unique('device'), secret: newSecret() };
  const { deviceLogin } = await client.get(DeviceLoginDocument, { input });
  client.token = deviceLogin.accessToken;
  return client;
}

/** Runs work, and measures how long it takes. */
async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; result: T }> {
  const startedAt = performance.now();
  const result = await work();
  return { ms: performance.now() - startedAt, result };
}

const hasAnswer = (client: Client) => async () => (await client.ask(ViewerDocument)).errors === undefined;

describe('a worker', () => {
  it('serves health endpoints and metrics, and nothing else', async () => {
    const url = cluster.workers[0]?.url;
    const statuses = await Promise.all(
      ['/livez', '/readyz', '/metrics', '/graphql', '/.well-known/jwks.json'].map(
        async (path) => (await fetch(`${url}${path}`)).status,
      ),
    );

    expect(statuses).toEqual([200, 200, 200, 404, 404]);
    expect(cluster.workers[0]?.output()).toMatch(/^Tessera worker is ready\. Health http:\S+\/readyz$/m);
  });
});

describe('/metrics', () => {
  const metrics = async (headers: Record<string, string>) =>
    (await fetch(`${cluster.apis[0]?.url}/metrics`, { headers })).status;

  it('is readable from the local machine, or with the token', async () => {
    expect(await metrics({})).toBe(200);
    expect(await metrics({ 'x-forwarded-for': '203.0.113.7' })).toBe(403);
    expect(await metrics({ 'x-forwarded-for': '203.0.113.7', authorization: 'Bearer something else' })).toBe(
      403,
    );
    expect(
      await metrics({ 'x-forwarded-for': '203.0.113.7', authorization: `Bearer ${METRICS_TOKEN}` }),
    ).toBe(200);
  });
});

describe('TRUST_PROXY', () => {
  /** Logs in through proxies, and returns the recorded client address. */
  async function recordedAddress(api: number, forwarded: string): Promise<string | undefined> {
    const send = async <Result>(query: string, variables: object, token?: string): Promise<Result> => {
      const response = await fetch(`${cluster.apis[api]?.url}/graphql`, {
        method: 'POST',
        headers: {
          ...{ 'content-type': 'application/json', 'x-forwarded-for': forwarded },
          ...(token && { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify({ query, variables }),
      });
      const { data } = (await response.json()) as { data: Result };
      return data;
    };
    const input = { identifier: unique('device'), secret: newSecret() };
    const { deviceLogin } = await send<DeviceLoginMutation>(String(DeviceLoginDocument), { input });
    const { viewer } = await send<{ viewer: { sessions: { nodes: { ip: string }[] } } }>(
      '{ viewer { sessions { nodes { ip } } } }',
      {},
      deviceLogin.accessToken,
    );
    return viewer.sessions.nodes[0]?.ip;
  }

  it('of 0 ignores X-Forwarded-For', async () => {
    expect(await recordedAddress(0, '203.0.113.7')).toBe('127.0.0.1');
  });

  it('of 1 uses the address that the proxy has appended, and no earlier ones', async () => {
    expect(await recordedAddress(1, '203.0.113.7')).toBe('203.0.113.7');
    expect(await recordedAddress(1, '198.51.100.1, 192.0.2.66, 203.0.113.7')).toBe('203.0.113.7');
  });
});

describe('a session', () => {
  it('that is revoked in one process closes its sockets in the other with 4401', async () => {
    const here = await newUser(0);
    const there = cluster.client(1, here.token);
    const changes = there.subscribe(ViewerChangedDocument);
    expect((await changes.next()).value?.data?.viewerChanged.id).toBeDefined();

    const { ms } = await timed(async () => {
      await here.get(LogoutDocument, { everywhere: false });
      await expect(changes.next()).rejects.toMatchObject({ code: 4401, reason: 'SESSION_REVOKED' });
    });

    expect(ms).toBeLessThan(5_000);
    expect((await there.refused(ViewerDocument)).extensions.code).toBe('UNAUTHENTICATED');
  });

  it('that is revoked while Redis is frozen ends in all processes within 5 s', async () => {
    const here = await newUser(0);
    const there = cluster.client(1, here.token);
    const changes = there.subscribe(ViewerChangedDocument);
    await changes.next();

    cluster.redis.freeze();
    try {
      const { ms } = await timed(async () => {
        await here.get(LogoutDocument, { everywhere: false });
        await expect(changes.next()).rejects.toMatchObject({ code: 4401 });
      });
      expect(ms).toBeLessThan(5_000);
      expect((await there.refused(ViewerDocument)).extensions.code).toBe('UNAUTHENTICATED');
    } finally {
      cluster.redis.resume();
    }
  });
});

describe('the service', () => {
  it('authenticates callers and keeps sessions while Redis is frozen', async () => {
    const client = await newUser(0);

    cluster.redis.freeze();
    try {
      const { ms, result } = await timed(() => client.get(ViewerDocument));
      expect(result.viewer?.id).toBeDefined();
      expect(ms).toBeLessThan(3_000);
      const readyz = await fetch(`${cluster.apis[0]?.url}/readyz`);
      expect(readyz.status).toBe(200);
      expect(await readyz.json()).toMatchObject({ postgres: 'ok', redis: 'away' });
    } finally {
      cluster.redis.resume();
    }
    expect((await client.get(ViewerDocument)).viewer?.id).toBeDefined();
  });

  it('keeps all sessions when Redis loses its data', async () => {
    const client = await newUser(0);
    const changes = client.subscribe(ViewerChangedDocument);
    await changes.next();

    await cluster.redis.flush();

    expect((await client.get(ViewerDocument)).viewer?.id).toBeDefined();
    expect((await cluster.client(1, client.token).get(ViewerDocument)).viewer?.id).toBeDefined();
    const ended = changes.next().then(() => 'ended');
    expect(await Promise.race([ended, cluster.redis.flush().then(() => 'open')])).toBe('open');
  });

  it('reconnects in all processes when Redis is killed and restarted', async () => {
    const client = await newUser(0);

    await cluster.redis.kill9();
    try {
      expect((await client.get(ViewerDocument)).viewer?.id).toBeDefined();
    } finally {
      await cluster.redis.restart();
    }

    const hasRedis = (api: number) => async () =>
      (await (await fetch(`${cluster.apis[api]?.url}/readyz`)).text()).includes('"redis":"ok"');
    expect(await pollUntil(hasRedis(0), 3_000)).toBe(true);
    expect(await pollUntil(hasRedis(1), 3_000)).toBe(true);
  });
});

describe('the service', () => {
  it('responds with SERVICE_UNAVAILABLE while PostgreSQL is down, and recovers within 2 s', async () => {
    const client = await newUser(0);
    const { plans } = await client.get(PlansDocument);

    await cluster.postgres.kill9();
    try {
      const refusal = await client.refused(ViewerDocument);
      expect(refusal.extensions).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: true });
      // An outcome is used for half a second.
      const isUnready = async () => (await fetch(`${cluster.apis[0]?.url}/readyz`)).status === 503;
      expect(await pollUntil(isUnready, 2_000)).toBe(true);
      expect((await fetch(`${cluster.apis[0]?.url}/livez`)).status).toBe(200);
    } finally {
      await cluster.postgres.restart();
    }

    expect(await pollUntil(hasAnswer(client), 2_000)).toBe(true);
    expect((await client.get(PlansDocument)).plans).toEqual(plans);
    expect(cluster.apis.map(({ output }) => output()).join()).not.toContain('uncaught error');
  });

  it('responds within its time limits while PostgreSQL is frozen, and recovers immediately', async () => {
    const client = await newUser(0);

    cluster.postgres.freeze();
    try {
      const [viewer, readyz] = await Promise.all([
        timed(() => client.refused(ViewerDocument)),
        timed(() => fetch(`${cluster.apis[0]?.url}/readyz`)),
      ]);
      expect(viewer.result.extensions).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: true });
      expect(viewer.ms).toBeLessThan(10_000);
      expect(readyz.result.status).toBe(503);
      expect(readyz.ms).toBeLessThan(3_000);
    } finally {
      cluster.postgres.resume();
    }
    expect(await pollUntil(hasAnswer(client), 2_000)).toBe(true);
  });
});

describe('a process that gets SIGTERM while PostgreSQL and Redis are frozen', () => {
  it('exits within 15 s', async () => {
    const leaving = await cluster.start('api');
    const client = cluster.client(cluster.apis.indexOf(leaving));
    await client.get(PlansDocument);

    cluster.postgres.freeze();
    cluster.redis.freeze();
    try {
      leaving.signal('SIGTERM');
      const { ms } = await timed(() => leaving.exited);
      expect(ms).toBeLessThan(15_000);
    } finally {
      cluster.redis.resume();
      cluster.postgres.resume();
    }
  });
});
