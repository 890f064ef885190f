import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkSecretKey, SecretKeyError } from '../../../src/platform/keys/check-secret-key.ts';
import { createKeyRing } from '../../../src/platform/keys/key-ring.ts';
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
    await checkSecretKey(withKey(...keys));
    return true;
  } catch (error) {
    if (error instanceof SecretKeyError) return false;
    throw error;
  }
}

describe('checkSecretKey', () => {
  it('accepts any key at the first start, and only that key from then on', async () => {
    expect(await starts(ONE)).toBe(true);

    expect(await starts(TWO)).toBe(false);
    expect(await starts(ONE)).toBe(true);
  });

  it('names the variable, without the key', async () => {
    await checkSecretKey(withKey(ONE));

    const refusal = await checkSecretKey(withKey(TWO)).catch((error: Error) => error.message);

    expect(refusal).toMatch(/^SECRET_KEY: /);
    expect(refusal).not.toContain('the secret key');
  });

  it('stores nothing from which the key could be read', async () => {
    await checkSecretKey(withKey(ONE));

    const state = await services.db.serviceState.findUniqueOrThrow({ where: { id: 1 } });
    expect(Buffer.from(state.secretFingerprint ?? []).toString('latin1')).not.toContain(ONE);
    expect(state.secretFingerprint).toHaveLength(32);
  });

  it('replaces the key by one whose previous key matches', async () => {
    await checkSecretKey(withKey(ONE));

    expect(await starts(THREE, TWO)).toBe(false);
    expect(await starts(TWO, ONE)).toBe(true);
    expect(await starts(TWO)).toBe(true);
    expect(await starts(ONE)).toBe(false);
    expect(await starts(ONE, TWO)).toBe(true);
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
