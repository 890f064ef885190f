import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openUnder } from '../../../examples/encrypted-client/seal.ts';
import { fetchTransportKey, type TransportKey } from '../../../examples/encrypted-client/transport-key.ts';
import { DeviceLoginDocument, RedeemCodeDocument, ViewerDocument } from '../../generated/graphql.ts';
import { newSecret, startTestApi, type TestApi, type TestUser } from '../../support/api.ts';
import { newCode } from '../../support/codes.ts';
import { fingerprint } from '../../support/fingerprint.ts';
import { encrypt, FORGERIES, goodMessage, type Ingredients } from '../../support/forgeries.ts';
import { type RedisProcess, startRedisProcess } from '../../support/redis-process.ts';
import { newTransportKey, requireEncryption } from '../../support/sealed-client.ts';

let redis: RedisProcess;
let api: TestApi;
let user: TestUser;
let key: TransportKey;
beforeAll(async () => {
  redis = await startRedisProcess();
  await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  api = await startTestApi({ redisUrl: redis.url });
  user = await api.newUser();
  await newTransportKey(api.services);
  key = await fetchTransportKey(api.url);
  await requireEncryption(api.services);
});
afterAll(async () => {
  await api?.close();
  await redis?.remove();
});

/** A valid message that redeems a code. */
let good: Ingredients;
beforeEach(async () => {
  good = goodMessage(key, await redeeming());
});

async function redeeming() {
  const { code } = await newCode(api.services);
  return { query: RedeemCodeDocument.toString(), variables: { input: { code } }, accessToken: user.token };
}

interface Reply {
  status: number;
  type: string | null;
  body: string;
  /** The body with the request id replaced, for comparing responses. */
  anonymous: string;
}

async function post(body: string, headers: Record<string, string> = {}): Promise<Reply> {
  const response = await fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/jose', ...headers },
    body,
  });
  const text = await response.text();
  const id = response.headers.get('x-request-id') ?? 'none';
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    body: text,
    anonymous: text.replace(id, 'the request').replace(/(?<="serverTime":")[^"]+Z(?=")/, 'now'),
  };
}

const open = async ({ header, contents }: Ingredients, { body }: Reply) =>
  JSON.parse(await openUnder(Buffer.from(String(contents.replyKey), 'base64url'), { jti: header.jti }, body));

/** Response to every invalid message. */
const THE_REFUSAL = {
  status: 400,
  type: 'application/json; charset=utf-8',
  anonymous: JSON.stringify({
    errors: [
      {
        message: 'The message could not be decrypted.',
        extensions: {
          code: 'INVALID_CIPHERTEXT',
          requestId: 'the request',
          retryable: false,
          serverTime: 'now',
        },
      },
    ],
  }),
};

describe('a valid encrypted request', () => {
  it('gets the same response as in plaintext, encrypted and with its message id', async () => {
    const reply = await post(await encrypt(good));

    expect(reply).toMatchObject({ status: 200, type: 'application/jose' });
    expect((await open(good, reply)).data.redeemCode).toMatchObject({ status: 'PAID' });
  });

  it('is accepted if its timestamp is within two minutes of the server time', async () => {
    for (const seconds of [-110, 110]) {
      const jti = randomUUID();
      const iat = Math.floor(Date.now() / 1_000) + seconds;

      expect(await post(await encrypt({ ...good, header: { ...good.header, iat, jti } }))).toMatchObject({
        type: 'application/jose',
      });
    }
  });

  it.for([
    ['a syntax error', { query: '{' }, 'GRAPHQL_PARSE_FAILED'],
    ['an unknown field', { query: '{ nothing }' }, 'GRAPHQL_VALIDATION_FAILED'],
    ['no document', { query: undefined }, 'BAD_USER_INPUT'],
    ['an invalid token', { accessToken: 'x' }, 'UNAUTHENTICATED'],
    ['too many fields', { query: `{ ${'plans { id } '.repeat(400)} }` }, 'OPERATION_TOO_COMPLEX'],
  ] as const)('gets an encrypted refusal with status 200 for %s', async ([, contents, code]) => {
    const bad = { ...good, contents: { ...good.contents, ...contents } };
    const reply = await post(await encrypt(bad), { accept: 'application/graphql-response+json' });

    expect(reply).toMatchObject({ status: 200, type: 'application/jose' });
    expect((await open(bad, reply)).errors?.[0].extensions.code).toBe(code);
  });

  it('can log a device in', async () => {
    const input = { identifier: randomUUID(), secret: newSecret() };
    const login = goodMessage(key, { query: DeviceLoginDocument.toString(), variables: { input } });

    const { data } = await open(login, await post(await encrypt(login)));

    expect(data.deviceLogin.accessToken).toMatch(/^ey/);
  });

  it('is accepted while encryption is optional', async () => {
    await requireEncryption(api.services, false);
    const reply = await post(await encrypt(good));
    await requireEncryption(api.services);

    expect((await open(good, reply)).data.redeemCode).toMatchObject({ status: 'PAID' });
  });
});

describe('an invalid encrypted request', () => {
  it('gets the same refusal for every kind of forgery, and is not executed', async () => {
    const before = await fingerprint(api.services.db);

    const replies = Object.entries(FORGERIES).map(
      async ([name, forge]) => [name, await post(await forge(good))] as const,
    );

    for (const [name, { body, ...reply }] of await Promise.all(replies)) {
      expect({ name, ...reply }).toEqual({ name, ...THE_REFUSAL });
    }
    expect(await fingerprint(api.services.db)).toBe(before);
    // The forgeries have not consumed the message id either.
    expect(await post(await encrypt(good))).toMatchObject({ type: 'application/jose' });
    expect(await fingerprint(api.services.db)).not.toBe(before);
  });

  it('gets the refusal for any flipped bit', async () => {
    const flips = Object.entries(FORGERIES).filter(([name]) => name.startsWith('a bit flipped'));
    expect(flips).toHaveLength(4);
    const before = await fingerprint(api.services.db);

    for (const [, forge] of flips) {
      for (let round = 0; round < 5; round += 1) {
        const forged = await Promise.all(Array.from({ length: 20 }, () => forge(good)));
        for (const reply of await Promise.all(forged.map((jwe) => post(jwe)))) {
          expect(reply).toMatchObject(THE_REFUSAL);
        }
      }
    }

    expect(await fingerprint(api.services.db)).toBe(before);
  });

  it('gets the refusal for an additional Authorization header', async () => {
    const jwe = await encrypt(good);

    expect(await post(jwe, { authorization: `Bearer ${user.token}` })).toMatchObject(THE_REFUSAL);
    expect(await post(jwe)).toMatchObject({ type: 'application/jose' });
  });

  it('gets the refusal for a replay, even a concurrent one', async () => {
    const jwe = await encrypt(good);
    const replies = await Promise.all(Array.from({ length: 10 }, () => post(jwe)));
    const refused = replies.filter(({ type }) => type !== 'application/jose');

    expect(refused).toHaveLength(9);
    for (const reply of refused) expect(reply).toMatchObject(THE_REFUSAL);
    const { contents, ...rest } = good;
    const otherWithItsId = { ...rest, contents: { ...contents, query: '{ viewer { id } }' } };
    expect(await post(await encrypt(otherWithItsId))).toMatchObject(THE_REFUSAL);
  });

  it('gets the refusal for the connection_init of a websocket, whose id is not spent', async () => {
    const start = goodMessage(key, { accessToken: user.token });
    const stated = { ...good.header, purpose: 'socket' };
    const starts = [start, { ...start, header: { ...start.header, purpose: 'socket' } }];

    for (const message of [...starts, { ...good, header: stated }])
      expect(await post(await encrypt(message))).toMatchObject(THE_REFUSAL);
    const purpose = 'request';
    expect(await post(await encrypt({ ...good, header: { ...good.header, purpose } }))).toMatchObject({
      type: 'application/jose',
    });
  });

  it('gets the refusal for a reflected response', async () => {
    const { body } = await post(await encrypt(good));

    expect(await post(body)).toMatchObject(THE_REFUSAL);
  });

  it('gets the refusal after the same time, whichever check fails', async () => {
    const waits = await Promise.all(
      ['garbage', await encrypt(good).then((jwe) => `${jwe.slice(0, -1)}A`)].map(async (jwe) => {
        const since = performance.now();
        await post(jwe);
        return performance.now() - since;
      }),
    );

    for (const wait of waits) expect(wait).toBeGreaterThan(9);
  });

  it('gets the refusal for plaintext from a device that must encrypt', async () => {
    const before = await fingerprint(api.services.db);
    const { query, variables } = good.contents;
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${user.token}` };

    expect(await post(JSON.stringify({ query, variables }), headers)).toMatchObject(THE_REFUSAL);

    expect(await fingerprint(api.services.db)).toBe(before);
  });
});

describe('a replayed request', () => {
  it('has no second effect after Redis has lost its data', async () => {
    const jwe = await encrypt(good);
    const first = await open(good, await post(jwe));
    await redis.call('FLUSHALL');
    const before = await orders();

    const second = await open(good, await post(jwe));

    expect(second.data?.redeemCode.id ?? second.errors[0].extensions.orderId).toBe(first.data.redeemCode.id);
    expect(await orders()).toEqual(before);
  });

  it('is limited only by its timestamp while Redis is unavailable', async () => {
    const query = { query: ViewerDocument.toString(), accessToken: user.token };
    const [reading, stale] = [goodMessage(key, query), goodMessage(key, query)];
    const iat = Math.floor(Date.now() / 1_000) - 600;
    const [jwe, old] = [
      await encrypt(reading),
      await encrypt({ ...stale, header: { ...stale.header, iat } }),
    ];
    redis.freeze();
    try {
      for (let round = 0; round < 2; round += 1) {
        expect((await open(reading, await post(jwe))).data.viewer.id).toBe(user.userId);
      }
      expect(await post(old)).toMatchObject(THE_REFUSAL);
    } finally {
      redis.thaw();
    }
  });

  const orders = () =>
    Promise.all([
      api.services.db.order.count(),
      api.services.db.redemptionCode.aggregate({ _sum: { reservedCount: true, usedCount: true } }),
    ]);
});

describe('an encrypted response', () => {
  it('is rejected by the client if it belongs to another request or uses another key', async () => {
    const other = goodMessage(key, { query: ViewerDocument.toString(), accessToken: user.token });
    const [reply, replyToOther] = [await post(await encrypt(good)), await post(await encrypt(other))];

    await expect(open(good, replyToOther)).rejects.toThrow();
    // Even if an app reuses a key, the message id distinguishes the responses.
    const sameKey = { ...other, contents: good.contents };
    await expect(open(sameKey, reply)).rejects.toThrow('jti');
  });
});
