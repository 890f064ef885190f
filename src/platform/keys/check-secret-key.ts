import type { Database } from '../database/database.ts';
import { importPrivateKey, type KeyServices, readKeyRows, SIGNING } from './key-pairs.ts';
import { DecryptionError } from './secrets.ts';

/** The secret key is not the one that protects the values in the database. */
export class SecretKeyError extends Error {
  constructor() {
    super(
      'SECRET_KEY: the values in this database are protected by another key. Set SECRET_KEY to that key (if it ' +
        'was generated, the file secret-key in DATA_DIR has it), or SECRET_KEY_PREVIOUS to change the key.',
    );
    this.name = 'SecretKeyError';
  }
}

const PURPOSE = 'fingerprint';
const CONSTANT = 'tessera';

/**
 * Compares the secret key with the fingerprint in the database, which the first start stores. If
 * only the previous key matches, the key is being changed: stores the fingerprint of the current
 * one. Of concurrent first starts with different keys, one succeeds.
 *
 * @throws SecretKeyError if neither the current nor the previous key matches
 */
export async function checkSecretKey(services: KeyServices): Promise<void> {
  const { db, secrets } = services;
  if (await isUnmarked(db)) await checkSigningKeys(services);
  const [current, ...previous] = secrets.macs(PURPOSE, CONSTANT).map((mac) => Uint8Array.from(mac));
  // Conditional: a concurrent start may have stored another fingerprint meanwhile.
  const matching = await db.$executeRaw`
    UPDATE service_state SET secret_fingerprint = ${current}
    WHERE secret_fingerprint IS NULL OR secret_fingerprint = ${current} OR secret_fingerprint = ANY(${previous}::bytea[])`;
  if (matching === 0) throw new SecretKeyError();
}

async function isUnmarked(db: Database): Promise<boolean> {
  return (await db.serviceState.count({ where: { secretFingerprint: null } })) > 0;
}

/**
 * Checks the key of a database of version 0.1, which stored no fingerprint: its private keys must
 * be readable.
 */
async function checkSigningKeys(services: KeyServices): Promise<void> {
  const rows = await readKeyRows(services, SIGNING);
  try {
    await Promise.all(rows.map(async (row) => importPrivateKey(services, row)));
  } catch (error) {
    throw error instanceof DecryptionError ? new SecretKeyError() : error;
  }
}
