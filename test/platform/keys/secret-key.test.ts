import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKeyRing } from '../../../src/platform/keys/key-ring.ts';
import { SecretKeyError, selectSecretKey } from '../../../src/platform/keys/secret-key.ts';
import { createSecrets } from '../../../src/platform/keys/secrets.ts';
import type { RunningServices } from '../../../src/platform/services.ts';
import { createTestServices } from '../../support/services.ts';

const [ONE, TWO, THREE] = ['one', 'two', 'three'].map((name) => `the secret key ${name} of this test`);

let services: RunningServices;
beforeEach(async () => {
  services = await createTestServices();
});
afterEach(() => services.close());

const withKey = (secretKey = '', previousSecretKey?: string) => ({
  db: services.db,
  secrets: createSecrets({ secretKey, previousSecretKey }),
});

/** Starts with these keys. @returns whether the start was not refused */
async function starts(...keys: Parameters<typeof withKey>): Promise<boolean> {
  try {
    await selectSecretKey(withKey(...keys));
    return true;
  } catch (error) {
    if (error instanceof SecretKeyError) return false;
    throw error;
  }
}

describe('selectSecretKey', () => {
  it('accepts any key at the first start, and only that key from then on', async () => {
    expect(await starts(ONE)).toBe(true);

    expect(await starts(TWO)).toBe(false);
    expect(await starts(ONE)).toBe(true);
  });

  it('names the variable, without the key', async () => {
    await selectSecretKey(withKey(ONE));

    const refusal = await selectSecretKey(withKey(TWO)).catch((error: Error) => error.message);

    expect(refusal).toMatch(/^SECRET_KEY: /);
    expect(refusal).not.toContain('the secret key');
  });

  it('stores nothing from which the key could be read', async () => {
    await selectSecretKey(withKey(ONE));

    const state = await services.db.serviceState.findUniqueOrThrow({ where: { id: 1 } });
    expect(Buffer.from(state.secretFingerprint ?? []).toString('latin1')).not.toContain(ONE);
    expect(state.secretFingerprint).toHaveLength(32);
  });

  it('keeps using the key in use while another one is configured as the new one', async () => {
    await selectSecretKey(withKey(ONE));

    expect(await starts(THREE, TWO)).toBe(false);
    const both = withKey(TWO, ONE);
    await selectSecretKey(both);
    expect(both.secrets.fingerprint).toEqual(withKey(ONE).secrets.fingerprint);
    // A process with the old key alone is not affected, and one with the new key alone is refused.
    expect(await starts(ONE)).toBe(true);
    expect(await starts(TWO)).toBe(false);
  });

  it('accepts one key if processes with different keys start for the first time concurrently', async () => {
    const keys = [ONE, TWO, THREE, ONE, TWO, THREE];

    const results = await Promise.all(keys.map((key) => starts(key)));

    const accepted = new Set(keys.filter((_, place) => results[place]));
    expect(accepted.size).toBe(1);
    expect(results.filter(Boolean)).toHaveLength(2);
  });

  it('refuses a key that cannot read the private keys of a database without a fingerprint', async () => {
    const { db } = services;
    await createKeyRing(withKey(ONE)).current();
    await db.serviceState.update({ where: { id: 1 }, data: { secretFingerprint: null } });

    expect(await starts(TWO)).toBe(false);
    expect(await starts(THREE, TWO)).toBe(false);
    expect(await starts(TWO, ONE)).toBe(true);
  });
});
