import { decodeProtectedHeader, type JSONWebKeySet } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createKeyRing, rotateSigningKey } from '../../../src/platform/keys/key-ring.ts';
import type { RunningServices } from '../../../src/platform/services.ts';
import { LogoutDocument, RefreshSessionDocument, ViewerDocument } from '../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../support/api.ts';
import { createTestServices } from '../../support/services.ts';

let api: TestApi;
let services: RunningServices;

beforeAll(async () => {
  api = await startTestApi();
  services = await createTestServices();
});

afterAll(async () => {
  await api?.close();
  await services?.close();
});

describe('rotateSigningKey', () => {
  it('makes the current key PREVIOUS, and the previous key RETIRED', async () => {
    const first = (await createKeyRing(services).current()).kid;

    const second = (await rotateSigningKey(services)).kid;
    expect(await statuses()).toEqual({ [first]: 'PREVIOUS', [second]: 'CURRENT' });
    await letKeysAge(services);
    const third = (await rotateSigningKey(services)).kid;
    expect(await statuses()).toEqual({ [first]: 'RETIRED', [second]: 'PREVIOUS', [third]: 'CURRENT' });

    const ring = createKeyRing(services);
    expect(await ring.find(first)).toBeUndefined();
    expect(await ring.find(second)).toBeDefined();
    expect(await ring.find(third)).toBeDefined();
  });

  it('rotates once for ten concurrent calls', async () => {
    await services.db.keyPair.deleteMany();
    const before = (await createKeyRing(services).current()).kid;
    await openConnections();

    const rotations = await Promise.all(Array.from({ length: 10 }, () => rotateSigningKey(services)));

    const kids = new Set(rotations.map(({ kid }) => kid));
    expect(kids.size).toBe(1);
    expect(await statuses()).toMatchObject({ [before]: 'PREVIOUS', [[...kids][0] ?? '']: 'CURRENT' });
  });

  it('generates the first key, which ten processes that start concurrently use', async () => {
    await services.db.keyPair.deleteMany();

    const [{ kid }, ...rings] = await Promise.all([
      rotateSigningKey(services),
      ...Array.from({ length: 10 }, () => createKeyRing(services).current()),
    ]);

    expect(await statuses()).toMatchObject({ [kid]: 'CURRENT' });
    for (const ring of rings) expect(await createKeyRing(services).find(ring.kid)).toBeDefined();
  });
});

// Concurrent, because both wait until a process reloads the keys.
describe.concurrent('after rotateSigningKey', () => {
  it('no process signs with a key that another may not have loaded yet', async () => {
    await services.db.keyPair.deleteMany();
    const ring = createKeyRing(services);
    const first = (await ring.current()).kid;

    const { kid } = await rotateSigningKey(services);

    expect((await createKeyRing(services).current()).kid).toBe(first);
    await vi.waitFor(async () => expect(await ring.find(kid)).toBeDefined(), { timeout: 2_000 });
    await letKeysAge(services);
    expect((await createKeyRing(services).current()).kid).toBe(kid);
    await vi.waitFor(async () => expect((await ring.current()).kid).toBe(kid), {
      timeout: 6_000,
      interval: 100,
    });
  });

  it('tokens of the previous key remain valid, those of the one before do not, and their session continues', async () => {
    const user = await api.newUser();
    const old = user.token ?? '';

    const second = (await rotateSigningKey(api.services)).kid;
    expect((await user.get(ViewerDocument)).viewer?.id).toBe(user.userId);
    expect(await publishedKids()).toEqual([second, kidOf(old)]);
    await letKeysAge(api.services);

    const third = (await rotateSigningKey(api.services)).kid;
    expect(await publishedKids()).toEqual([third, second]);
    await vi.waitFor(
      async () =>
        expect((await user.refused(ViewerDocument)).extensions).toMatchObject({ code: 'UNAUTHENTICATED' }),
      { timeout: 6_000, interval: 100 },
    );

    const { refreshSession } = await user.get(RefreshSessionDocument, { refreshToken: user.refreshToken });
    expect([second, third]).toContain(kidOf(refreshSession.accessToken));
    user.token = refreshSession.accessToken;
    expect((await user.get(ViewerDocument)).viewer?.id).toBe(user.userId);
    await user.get(LogoutDocument, {});
  });
});

/** Opens ten connections, so that ten transactions really start concurrently. */
const openConnections = () =>
  Promise.all(Array.from({ length: 10 }, () => services.db.$queryRaw`SELECT 1 FROM pg_sleep(0.1)`));

const kidOf = (token: string) => decodeProtectedHeader(token).kid;

async function publishedKids() {
  const answer = await fetch(`${api.url}/.well-known/jwks.json`);
  return ((await answer.json()) as JSONWebKeySet).keys.map(({ kid }) => kid);
}

/** Moves the creation of every key seven seconds back. */
const letKeysAge = ({ db }: RunningServices) =>
  db.$executeRaw`UPDATE key_pairs SET created_at = created_at - interval '7 seconds'`;

async function statuses(): Promise<Record<string, string>> {
  const rows = await services.db.keyPair.findMany();
  return Object.fromEntries(rows.map(({ kid, status }) => [kid, status]));
}
