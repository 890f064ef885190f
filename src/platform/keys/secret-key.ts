import type { ServiceState } from '../../generated/prisma/client.ts';
import type { Database, Transaction } from '../database/database.ts';
import { importPrivateKey, readKeyRows, SIGNING } from './key-pairs.ts';
import { acceptRetainedMacKeys } from './retained-mac-keys.ts';
import { DecryptionError, equalSecrets, type RotatingSecrets } from './secrets.ts';

/** The secret key is not the one that protects the values in the database. */
export class SecretKeyError extends Error {
  constructor(
    message = 'the values in this database are protected by another key. Set SECRET_KEY to that key (if it ' +
      'was generated, the file secret-key in DATA_DIR has it), or SECRET_KEY_PREVIOUS to change the key.',
  ) {
    super(`SECRET_KEY: ${message}`);
    this.name = 'SecretKeyError';
  }
}

export interface SecretServices {
  db: Database;
  secrets: RotatingSecrets;
}

/** Which secret key protects the values in the database. */
export type SecretKeyState = Pick<
  ServiceState,
  'secretFingerprint' | 'previousFingerprint' | 'secretRotatedAt'
>;

export const SECRET_KEY_COLUMNS = {
  secretFingerprint: true,
  previousFingerprint: true,
  secretRotatedAt: true,
} as const;

/**
 * Selects the configured secret key that protects new values, as the database says: while a key is
 * rotated, SECRET_KEY_PREVIOUS until `keys rotate --secret` and SECRET_KEY afterwards. The first
 * start stores the fingerprint of its key. Of concurrent first starts with different keys, one
 * succeeds.
 *
 * @throws SecretKeyError if the key is not configured, or the previous one is still needed
 */
export async function selectSecretKey(services: SecretServices): Promise<void> {
  const { db, secrets } = services;
  const state = await db.serviceState.findUniqueOrThrow({ where: { id: 1 }, select: SECRET_KEY_COLUMNS });
  if (state.secretFingerprint === null) {
    await checkSigningKeys(services);
    // Conditional: a concurrent start may have stored another fingerprint meanwhile.
    await db.$executeRaw`
      UPDATE service_state SET secret_fingerprint = ${secrets.fingerprint} WHERE secret_fingerprint IS NULL`;
  }
  await followSecretKey(services);
  await acceptRetainedMacKeys(services);
}

/**
 * Like `selectSecretKey`, for a process that runs: another one may have started a rotation.
 *
 * @throws SecretKeyError
 */
export async function followSecretKey({ db, secrets }: SecretServices): Promise<void> {
  const state = await db.serviceState.findUniqueOrThrow({ where: { id: 1 }, select: SECRET_KEY_COLUMNS });
  await useKeyOf({ db, secrets }, state);
}

async function useKeyOf(
  services: { db: Pick<Transaction, '$queryRaw'>; secrets: RotatingSecrets },
  { secretFingerprint, previousFingerprint }: SecretKeyState,
): Promise<void> {
  const { secrets } = services;
  const before = secrets.fingerprint;
  if (secretFingerprint === null || !secrets.use(secretFingerprint)) throw new SecretKeyError();
  const isConfigured = (fingerprint: Uint8Array) =>
    secrets.fingerprints.some((one) => equalSecrets(one, fingerprint));
  if (previousFingerprint !== null && !isConfigured(previousFingerprint)) {
    throw new SecretKeyError(
      'some values are still protected by the previous key. Set SECRET_KEY_PREVIOUS to it until ' +
        '`npm run tessera -- keys rotate --secret` has finished.',
    );
  }
  if (!equalSecrets(secrets.fingerprint, before)) await acceptRetainedMacKeys(services);
}

/**
 * Selects the key in a transaction whose values must be protected by the same key as those of all
 * others, because equal ones must collide. A rotation waits for the end of the transaction.
 *
 * @returns whether another key was in use before, under which values may have been prepared
 * @throws SecretKeyError
 */
export async function holdSecretKey(
  tx: Pick<Transaction, '$queryRaw'>,
  secrets: RotatingSecrets,
): Promise<boolean> {
  const before = secrets.fingerprint;
  const [state] = await tx.$queryRaw<[SecretKeyState]>`
    SELECT secret_fingerprint AS "secretFingerprint", previous_fingerprint AS "previousFingerprint"
    FROM service_state FOR SHARE`;
  // Null before the first start, as in a database that is being filled by a test.
  if (state.secretFingerprint === null || equalSecrets(state.secretFingerprint, before)) return false;
  await useKeyOf({ db: tx, secrets }, state);
  return true;
}

/**
 * Checks the key of a database of version 0.1, which stored no fingerprint: its private keys must
 * be readable.
 */
async function checkSigningKeys({ db, secrets }: SecretServices): Promise<void> {
  const rows = await readKeyRows({ db }, SIGNING);
  try {
    await Promise.all(rows.map(async (row) => importPrivateKey({ secrets }, row)));
  } catch (error) {
    throw error instanceof DecryptionError ? new SecretKeyError() : error;
  }
}
