import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { announce } from '../../src/modules/kernel/announce.ts';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { post } from '../support/client.ts';
import { newCode } from '../support/codes.ts';
import { buildPlan, buildSubscription, unique } from '../support/factories.ts';
import { statementsOf } from '../support/statements.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api?.close());

const SUBSCRIPTIONS = '{ viewer { id subscriptions { id credential } devices { nodes { id name } } } }';
const SITE = '{ globalConfig { name } }';

interface Viewer {
  viewer: {
    id: string;
    subscriptions: { id: string; credential: string }[];
    devices: { nodes: { id: string; name: string | null }[] };
  } | null;
}

const ask = async (query: string, token?: string) => {
  const { data } = await post<Viewer>(api.url, { query }, token);
  return data;
};

/** Sends the query until its response is cached. */
async function warm(query: string, token?: string) {
  await ask(query, token);
  await ask(query, token);
}

async function isCached(query: string, token?: string): Promise<boolean> {
  const { queries } = await statementsOf(() => ask(query, token));
  return queries.length === 0;
}

async function subscriber(): Promise<TestUser & { subscriptionId: string }> {
  const user = await api.newUser();
  const { id: planId } = await buildPlan(api.services.db);
  const { id: subscriptionId } = await buildSubscription(api.services.db, { userId: user.userId, planId });
  return Object.assign(user, { subscriptionId });
}

const nameOf = async (token: string | undefined) =>
  (await ask(SUBSCRIPTIONS, token))?.viewer?.devices.nodes[0]?.name;

describe('the response to a repeated query', () => {
  it('comes from memory from the third request on', async () => {
    const { token } = await subscriber();
    const reads: number[] = [];
    for (let request = 0; request < 4; request++)
      reads.push((await statementsOf(() => ask(SUBSCRIPTIONS, token))).queries.length);

    expect(reads).toEqual([expect.any(Number), expect.any(Number), 0, 0]);
    expect([reads[0], reads[1]].every((count) => Number(count) > 0)).toBe(true);
  });

  it('is the same, byte for byte', async () => {
    const { token } = await subscriber();
    const raw = async () => {
      const response = await fetch(`${api.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ query: SUBSCRIPTIONS }),
      });
      const { status, headers } = response;
      const compared = ['content-type', 'content-length', 'cache-control', 'etag', 'vary'];
      return [status, await response.text(), ...compared.map((name) => headers.get(name))];
    };

    const responses = [await raw(), await raw(), await raw()];

    expect(responses[2]).toEqual(responses[0]);
    expect(await isCached(SUBSCRIPTIONS, token)).toBe(true);
  });

  it('shows a mutation of the same user in the next request', async () => {
    const { token } = await subscriber();
    await warm(SUBSCRIPTIONS, token);
    const viewer = (await ask(SUBSCRIPTIONS, token))?.viewer;
    const id = viewer?.devices.nodes[0]?.id;
    const query = `mutation { updateDevice(id: "${id}", input: { name: "Renamed" }) { id } }`;

    const { errors } = await post(api.url, { query }, token);

    expect([errors, await nameOf(token)]).toEqual([undefined, 'Renamed']);
  });

  it('shows a mutation that nothing announces in the next request of the same user', async () => {
    const { token } = await subscriber();
    const query = '{ viewer { orders { nodes { status } } } }';
    await warm(query, token);
    const { code } = await newCode(api.services);

    await post(api.url, { query: `mutation { redeemCode(input: { code: "${code}" }) { id } }` }, token);

    expect(await ask(query, token)).toEqual({ viewer: { orders: { nodes: [{ status: 'PAID' }] } } });
  });

  it('shows a rotated credential in the next request', async () => {
    const { token, subscriptionId } = await subscriber();
    await warm(SUBSCRIPTIONS, token);
    const admin = await api.newAdmin();
    const query = `mutation { rotateSubscriptionCredentials(id: "${subscriptionId}") { credential } }`;
    const before = (await ask(SUBSCRIPTIONS, token))?.viewer?.subscriptions[0]?.credential;

    await post(api.url, { query }, admin.token);

    expect((await ask(SUBSCRIPTIONS, token))?.viewer?.subscriptions[0]?.credential).not.toBe(before);
  });

  it('shows a change by another process as soon as it is announced', async () => {
    const { token, userId } = await subscriber();
    await warm(SUBSCRIPTIONS, token);
    await api.services.db.device.updateMany({ where: { userId }, data: { name: 'Announced' } });

    announce(api.services, { userIds: [userId] });

    expect(await nameOf(token)).toBe('Announced');
  });

  it('shows a change whose announcement was lost within a second', async () => {
    const { token, userId } = await subscriber();
    await warm(SUBSCRIPTIONS, token);
    await api.services.db.device.updateMany({ where: { userId }, data: { name: 'Silent' } });
    const changedAt = performance.now();

    await pollUntil(async () => (await nameOf(token)) === 'Silent', 5_000);

    // The allowance is for a busy machine: one request may take long.
    expect(performance.now() - changedAt).toBeLessThan(1_500);
  });

  it('is refused after a logout', async () => {
    const { token } = await subscriber();
    await warm(SUBSCRIPTIONS, token);

    await post(api.url, { query: 'mutation { logout }' }, token);

    const { errors } = await post(api.url, { query: SUBSCRIPTIONS }, token);
    expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
  });

  it('is refused within five seconds if the session was revoked without an announcement', async () => {
    const { token, userId } = await subscriber();
    await warm(SUBSCRIPTIONS, token);
    await api.services.db.session.updateMany({ where: { userId }, data: { revokedAt: new Date() } });
    const revokedAt = performance.now();

    const isRefused = async () => (await ask(SUBSCRIPTIONS, token))?.viewer == null;
    await pollUntil(isRefused, 8_000);

    expect(performance.now() - revokedAt).toBeLessThan(5_500);
  });

  it('depends on the caller, also if others send it in between', async () => {
    const users = [await subscriber(), await subscriber(), await api.newAdmin()];
    const seen: unknown[] = [];
    for (let round = 0; round < 4; round++) {
      for (const { token } of users) seen.push((await ask(SUBSCRIPTIONS, token))?.viewer?.id);
      seen.push((await ask(SUBSCRIPTIONS))?.viewer);
    }

    const round = [...users.map(({ userId }) => userId), null];
    expect(seen).toEqual([...round, ...round, ...round, ...round]);
  });

  it('depends on the session, for sessions of one user', async () => {
    const input = `{ email: "${unique('two')}@example.test", password: "correct horse battery staple" }`;
    const tokenOf = async (mutation: string) => {
      const query = `mutation { done: ${mutation}(input: ${input}) { accessToken } }`;
      const { data } = await post<{ done: { accessToken: string } }>(api.url, { query });
      return data?.done.accessToken;
    };
    const tokens = [await tokenOf('register'), await tokenOf('login')];
    const query = '{ viewer { sessions { nodes { current } } } }';
    const seen: unknown[] = [];
    for (let round = 0; round < 4; round++) for (const token of tokens) seen.push(await ask(query, token));

    // The newest session is first.
    const [first, second] = [
      [false, true],
      [true, false],
    ].map((flags) => ({
      viewer: { sessions: { nodes: flags.map((current) => ({ current })) } },
    }));
    expect(seen).toEqual([first, second, first, second, first, second, first, second]);
  });

  it('is not kept for a forged token', async () => {
    const { token } = await subscriber();
    await warm(SUBSCRIPTIONS, token);
    const forged = `${token?.slice(0, -4)}AAAA`;

    const { errors } = await post(api.url, { query: SUBSCRIPTIONS }, forged);

    expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
  });

  it('depends on the variables and the accepted media type', async () => {
    const { token } = await subscriber();
    const typeOf = async (accept: string) => {
      const response = await fetch(`${api.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, accept },
        body: JSON.stringify({ query: SUBSCRIPTIONS }),
      });
      return response.headers.get('content-type')?.split(';')[0];
    };
    const types = ['application/json', 'application/graphql-response+json'];
    const seen: unknown[] = [];
    for (let round = 0; round < 4; round++) for (const type of types) seen.push(await typeOf(type));

    expect(seen).toEqual([...types, ...types, ...types, ...types]);
  });

  it('is not kept if it has errors', async () => {
    const { token } = await subscriber();
    const query = '{ viewer { devices(first: 0) { totalCount } } }';
    const ids = new Set<unknown>();
    for (let request = 0; request < 4; request++) {
      const { errors } = await post(api.url, { query }, token);
      ids.add(errors?.[0]?.extensions?.requestId);
    }

    expect(ids.size).toBe(4);
  });

  it('is not kept for admins', async () => {
    const { token } = await api.newAdmin();
    await warm(SUBSCRIPTIONS, token);

    expect(await isCached(SUBSCRIPTIONS, token)).toBe(false);
  });

  it('is not kept if a root field is not cacheable', async () => {
    const query = '{ globalConfig { name } plans { id } }';
    await warm(query);

    expect(await isCached(query)).toBe(false);
  });

  it('is charged to the rate limit of the user', async () => {
    const limited = await startTestApi({ rateLimits: true });
    try {
      const { token } = await limited.newUser();
      const query = '{ viewer { id } }';
      const codes = new Set<unknown>();
      const many = async () => {
        for (let request = 0; request < 200; request++) {
          const { errors } = await post(limited.url, { query }, token);
          codes.add(errors?.[0]?.extensions?.code);
        }
      };
      await Promise.all(Array.from({ length: 20 }, many));

      expect(codes).toEqual(new Set([undefined, 'RATE_LIMITED']));
    } finally {
      await limited.close();
    }
  }, 60_000);
});

describe('the response to a repeated query without a session', () => {
  it('shows a new setting of the site in the next request', async () => {
    const admin = await api.newAdmin();
    await warm(SITE);
    expect(await isCached(SITE)).toBe(true);
    const name = unique('Site');

    await post(
      api.url,
      { query: `mutation { updateSite(input: { name: "${name}" }) { name } }` },
      admin.token,
    );

    expect(await ask(SITE)).toEqual({ globalConfig: { name } });
  });
});
