import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { readPublicKeys } from '../../../src/platform/keys/key-pairs.ts';
import { createKeyRing } from '../../../src/platform/keys/key-ring.ts';
import type { RunningServices } from '../../../src/platform/services.ts';
import { createTestServices } from '../../support/services.ts';

let services: RunningServices;

beforeAll(async () => {
  services = await createTestServices();
});

afterAll(() => services?.close());

beforeEach(async () => {
  await services.db.keyPair.deleteMany();
});

describe('createKeyRing', () => {
  it('generates one key when ten processes start concurrently', async () => {
    const rings = Array.from({ length: 10 }, () => createKeyRing(services));
    const kids = await Promise.all(rings.map(async (ring) => (await ring.current()).kid));

    expect(new Set(kids).size).toBe(1);
    expect(await services.db.keyPair.count()).toBe(1);
  });

  it('finds a key that another process generated later, and returns undefined for unknown ids', async () => {
    const [ring, other] = [createKeyRing(services), createKeyRing(services)];
    await ring.current();
    await services.db.keyPair.updateMany({ data: { status: 'PREVIOUS' } });
    await services.db.keyPair.updateMany({ data: { status: 'RETIRED' } });
    const { kid } = await other.current();

    await vi.waitFor(async () => expect(await ring.find(kid)).toBeDefined(), { timeout: 3_000 });
    expect(await ring.find('unknown')).toBeUndefined();
  });

  it('stores private keys encrypted, and publishes public keys', async () => {
    await createKeyRing(services).current();
    const row = await services.db.keyPair.findFirstOrThrow();
    const { keys } = await readPublicKeys(services);

    expect(Buffer.from(row.privateKeyCiphertext).toString('latin1')).not.toContain('"d"');
    expect(keys).toEqual([
      expect.objectContaining({ kid: row.kid, kty: 'EC', crv: 'P-256', use: 'sig', alg: 'ES256' }),
    ]);
    expect(JSON.stringify(keys)).not.toContain('"d":');
  });
});
