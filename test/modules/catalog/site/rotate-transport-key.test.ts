import type { JSONWebKeySet } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fetchTransportKey } from '../../../../examples/encrypted-client/transport-key.ts';
import { rotateTransportKey } from '../../../../src/modules/catalog/site/rotate-transport-key.ts';
import { RotateTransportKeyDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { encrypt, goodMessage } from '../../../support/forgeries.ts';

let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api?.close());
beforeEach(async () => {
  await api.services.db.keyPair.deleteMany({ where: { purpose: 'TRANSPORT' } });
});

const rotate = async () => (await admin.get(RotateTransportKeyDocument)).rotateTransportKey;

async function statuses(): Promise<Record<string, string>> {
  const rows = await api.services.db.keyPair.findMany({ where: { purpose: 'TRANSPORT' } });
  return Object.fromEntries(rows.map(({ kid, status }) => [kid, status]));
}

async function published() {
  const { keys } = (await (await fetch(`${api.url}/.well-known/jwks.json`)).json()) as JSONWebKeySet;
  return keys.filter(({ use }) => use === 'enc');
}

/** @returns the media type of the response to a message that is encrypted to this key */
async function responseTypeFor(key: Awaited<ReturnType<typeof fetchTransportKey>>): Promise<string | null> {
  const body = await encrypt(goodMessage(key, { query: '{ plans { id } }' }));
  const headers = { 'content-type': 'application/jose' };
  return (await fetch(`${api.url}/graphql`, { method: 'POST', headers, body })).headers.get('content-type');
}

describe('rotateTransportKey', () => {
  it('creates a new current key; the previous key remains valid until the next rotation', async () => {
    const kids: string[] = [];
    const keys: Awaited<ReturnType<typeof fetchTransportKey>>[] = [];
    for (let round = 0; round < 3; round += 1) {
      kids.push((await rotate()).kid);
      keys.push(await fetchTransportKey(api.url));
    }

    expect(keys.map(({ kid }) => kid)).toEqual(kids);
    const [first = '', second = '', third = ''] = kids;
    expect(await statuses()).toEqual({ [first]: 'RETIRED', [second]: 'PREVIOUS', [third]: 'CURRENT' });
    expect((await published()).map(({ kid }) => kid)).toEqual([third, second]);
    expect(await Promise.all(keys.map(responseTypeFor))).toEqual([
      'application/json; charset=utf-8',
      'application/jose',
      'application/jose',
    ]);
  });

  it('publishes the public key with its thumbprint as kid, and stores the private key encrypted', async () => {
    const { kid } = await rotate();

    const [jwk] = await published();
    expect(jwk).toEqual({
      ...{ kty: 'EC', crv: 'P-256', alg: 'ECDH-ES', use: 'enc', kid },
      ...{ x: expect.any(String), y: expect.any(String) },
    });
    expect((await fetchTransportKey(api.url, [kid])).kid).toBe(kid);
    await expect(fetchTransportKey(api.url, ['another'])).rejects.toThrow('no pinned one');
    const row = await api.services.db.keyPair.findUniqueOrThrow({ where: { kid } });
    expect(Buffer.from(row.privateKeyCiphertext).toString('latin1')).not.toContain('"d"');
  });

  it('records an audit entry with the kid of both keys and nothing else', async () => {
    const [before, after] = [await rotate(), await rotate()];

    const entry = await api.services.db.auditEntry.findFirstOrThrow({
      where: { action: 'rotateTransportKey' },
      orderBy: { id: 'desc' },
    });
    expect(entry).toMatchObject({
      actorId: admin.userId,
      before: { kid: before.kid },
      after: { kid: after.kid },
    });
    expect(entry.requestId).not.toBeNull();
  });

  it('leaves two valid keys after ten concurrent rotations', async () => {
    await Promise.all(
      Array.from({ length: 10 }, () => rotateTransportKey(api.services, { actorId: admin.userId })),
    );

    expect(Object.values(await statuses()).sort()).toEqual([
      'CURRENT',
      'PREVIOUS',
      ...Array(8).fill('RETIRED'),
    ]);
  });

  it('does not change the signing keys of tokens', async () => {
    const before = await api.services.db.keyPair.findMany({ where: { purpose: 'SIGNING' } });
    await rotate();

    expect(await api.services.db.keyPair.findMany({ where: { purpose: 'SIGNING' } })).toEqual(before);
  });
});
