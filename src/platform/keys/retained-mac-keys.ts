import type { Transaction } from '../database/database.ts';
import type { RotatingSecrets } from './secrets.ts';

/** MACs that are stored, or held by clients, and can't be computed again under a new secret key. */
export interface RetainedMacs {
  purpose: string;
  /** How long such a MAC is of use after it was made; null if always. */
  lifetimeMs: number | null;
}

const SECRET_PURPOSE = 'mac-key';

/**
 * Stores the MAC keys of a secret key that is being replaced, under the key in use: the rotation
 * encrypts them again. A derived key reveals neither the secret key nor its other derived keys.
 *
 * @param fingerprint of the secret key, which must be configured
 */
export async function retainMacKeys(
  tx: Pick<Transaction, '$executeRaw'>,
  secrets: RotatingSecrets,
  { fingerprint, retained }: { fingerprint: Uint8Array; retained: readonly RetainedMacs[] },
): Promise<void> {
  for (const { purpose, lifetimeMs } of retained) {
    const ciphertext = secrets.encrypt(SECRET_PURPOSE, secrets.macKey(purpose, fingerprint), purpose);
    await tx.$executeRaw`
      INSERT INTO retained_mac_keys (id, purpose, key_ciphertext, expires_at)
      VALUES (gen_random_uuid(), ${purpose}, ${ciphertext}, tessera_now() + ${lifetimeMs}::float8 * interval '1 ms')`;
  }
}

interface KeyRow {
  id: string;
  purpose: string;
  keyCiphertext: Uint8Array;
}

const readRows = (db: Pick<Transaction, '$queryRaw'>) => db.$queryRaw<KeyRow[]>`
  SELECT id, purpose, key_ciphertext AS "keyCiphertext" FROM retained_mac_keys
  WHERE expires_at IS NULL OR expires_at > tessera_now() ORDER BY created_at DESC, id`;

/** Accepts the MACs of earlier secret keys from now on. */
export async function acceptRetainedMacKeys({
  db,
  secrets,
}: {
  db: Pick<Transaction, '$queryRaw'>;
  secrets: RotatingSecrets;
}): Promise<void> {
  const rows = await readRows(db);
  secrets.accept(
    rows.map(({ purpose, keyCiphertext }) => ({
      purpose,
      key: secrets.decrypt(SECRET_PURPOSE, keyCiphertext, purpose),
    })),
  );
}

/** Encrypts the keys under the secret key in use, and deletes expired ones. */
export async function resealRetainedMacKeys(
  tx: Pick<Transaction, '$queryRaw' | '$executeRaw'>,
  secrets: RotatingSecrets,
): Promise<void> {
  await tx.$executeRaw`DELETE FROM retained_mac_keys WHERE expires_at <= tessera_now()`;
  for (const { id, purpose, keyCiphertext } of await readRows(tx)) {
    const sealed = secrets.reseal(SECRET_PURPOSE, keyCiphertext, purpose);
    if (sealed)
      await tx.$executeRaw`UPDATE retained_mac_keys SET key_ciphertext = ${sealed} WHERE id = ${id}::uuid`;
  }
}
