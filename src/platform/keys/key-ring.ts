import type { CryptoKey } from 'jose';
import type { KeyPair } from '../../generated/prisma/client.ts';
import { databaseNow, SECOND_MS } from '../database/clock.ts';
import { type Transaction, violatedConstraint } from '../database/database.ts';
import {
  createKeyRow,
  importPrivateKey,
  importPublicKey,
  type KeyServices,
  lockKeys,
  readKeyRows,
  rotateKeys,
  SIGNING,
} from './key-pairs.ts';

/**
 * The key pairs that sign tokens. They are stored in PostgreSQL, with encrypted private keys. The
 * previous key signs until every process has loaded the current one, and remains valid for
 * verification afterwards.
 */
export interface KeyRing {
  readonly algorithm: string;
  current: () => Promise<{ kid: string; key: CryptoKey }>;
  /** The public key of this id; undefined if it is unknown or retired. */
  find: (kid: string) => Promise<CryptoKey | undefined>;
}

interface LoadedKey {
  kid: string;
  /** True for the key that signs new tokens. */
  isSigner: boolean;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
}

/** Age after which keys are reloaded, which detects rotations by other processes. */
const RELOAD_AFTER_MS = 5 * SECOND_MS;
/** Longer than RELOAD_AFTER_MS: every process must know the new key before it signs. */
const SIGNS_AFTER_MS = 6 * SECOND_MS;
/** Reloads for an unknown key id are at least this far apart, because clients can send any id. */
const RELOAD_UNKNOWN_AFTER_MS = 1_000;

/** Loads the keys from the database, and generates the first one if none exists. */
export function createKeyRing(services: KeyServices): KeyRing {
  let loaded: Promise<LoadedKey[]> | undefined;
  let loadedAt = 0;
  const load = (maxAgeMs: number) => {
    if (!loaded || Date.now() - loadedAt > maxAgeMs) {
      loadedAt = Date.now();
      const previous = loaded;
      // Keep the loaded keys during an outage.
      loaded = loadKeys(services).catch((error: unknown) => {
        loaded = undefined;
        if (previous) return previous;
        throw error;
      });
    }
    return loaded;
  };
  return {
    algorithm: SIGNING.algorithm,
    current: async () => {
      const key = (await load(RELOAD_AFTER_MS)).find(({ isSigner }) => isSigner);
      if (!key) throw new Error('there is no current signing key');
      return { kid: key.kid, key: key.privateKey };
    },
    find: async (kid) => {
      const known = (keys: LoadedKey[]) => keys.find((key) => key.kid === kid)?.publicKey;
      return known(await load(RELOAD_AFTER_MS)) ?? known(await load(RELOAD_UNKNOWN_AFTER_MS));
    },
  };
}

/**
 * Generates a new signing key. The current one becomes the previous one, which remains valid for
 * verification, and the previous one is retired. A current key that doesn't sign yet is not
 * replaced, so that concurrent calls in any number of processes rotate once.
 *
 * Other processes accept the new key within 5 s, and all sign with it within 11 s. Two rotations
 * within the lifetime of an access token invalidate it early; its session continues with the next
 * refresh.
 *
 * @param record called in the transaction that stores the key; not called if the key was not
 *   rotated
 */
export async function rotateSigningKey(
  services: KeyServices,
  record: (tx: Transaction, kid: string) => Promise<void> = async () => {},
): Promise<{ kid: string }> {
  const row = await createKeyRow(services, SIGNING);
  return services.db.$transaction(async (tx) => {
    await lockKeys(tx);
    const rows = await readKeyRows({ db: tx }, SIGNING);
    const current = rows.find(({ status }) => status === 'CURRENT');
    if (current && signingRow(rows, await databaseNow(tx)) !== current) return { kid: current.kid };
    await rotateKeys(tx, row);
    await record(tx, row.kid);
    return { kid: row.kid };
  });
}

async function loadKeys(services: KeyServices): Promise<LoadedKey[]> {
  const rows = await readKeyRows(services, SIGNING);
  if (rows.length === 0) {
    await createSigningKey(services);
    rows.push(...(await readKeyRows(services, SIGNING)));
  }
  const signer = signingRow(rows, await databaseNow(services.db));
  return Promise.all(
    rows.map(async (row) => ({ ...(await importRow(services, row)), isSigner: row === signer })),
  );
}

/** The current key once every process knows it; the previous one until then. */
function signingRow(rows: readonly KeyPair[], now: Date): KeyPair | undefined {
  const current = rows.find(({ status }) => status === 'CURRENT');
  const isKnown = current !== undefined && now.getTime() - current.createdAt.getTime() > SIGNS_AFTER_MS;
  return (isKnown ? undefined : rows.find(({ status }) => status === 'PREVIOUS')) ?? current;
}

async function importRow(services: KeyServices, row: KeyPair): Promise<Omit<LoadedKey, 'isSigner'>> {
  const [privateKey, publicKey] = await Promise.all([importPrivateKey(services, row), importPublicKey(row)]);
  return { kid: row.kid, privateKey, publicKey };
}

/** If several processes start concurrently, the unique index admits one key, and all use it. */
async function createSigningKey(services: KeyServices): Promise<void> {
  try {
    await services.db.keyPair.create({ data: await createKeyRow(services, SIGNING) });
  } catch (error) {
    if (violatedConstraint(error) === undefined) throw error;
  }
}
