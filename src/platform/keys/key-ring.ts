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
 * The key pairs that tokens are signed with. They stand in PostgreSQL, the private halves encrypted: the
 * current one signs, once every process knows it; until then, and to be believed later, the previous one.
 */
export interface KeyRing {
  readonly algorithm: string;
  current: () => Promise<{ kid: string; key: CryptoKey }>;
  /** The public key of that id; undefined when none of ours, or retired. */
  find: (kid: string) => Promise<CryptoKey | undefined>;
}

interface LoadedKey {
  kid: string;
  /** New tokens are signed with this one. */
  signs: boolean;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
}

/** Rotations elsewhere are seen after this time; a key id never seen before is looked up at once. */
const RELOAD_AFTER_MS = 5 * SECOND_MS;
/** A token signed by the new key must find every process knowing it. */
const SIGNS_AFTER_MS = 6 * SECOND_MS;
const LOOK_AGAIN_AFTER_MS = 1_000;

/** Reads the keys from the database, and makes the first one when there is none. */
export function createKeyRing(services: KeyServices): KeyRing {
  let loaded: Promise<LoadedKey[]> | undefined;
  let loadedAt = 0;
  const load = (maxAgeMs: number) => {
    if (!loaded || Date.now() - loadedAt > maxAgeMs) {
      loadedAt = Date.now();
      const previous = loaded;
      // An outage must not make the keys in hand unusable.
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
      const key = (await load(RELOAD_AFTER_MS)).find(({ signs }) => signs);
      if (!key) throw new Error('there is no current signing key');
      return { kid: key.kid, key: key.privateKey };
    },
    find: async (kid) => {
      const known = (keys: LoadedKey[]) => keys.find((key) => key.kid === kid)?.publicKey;
      return known(await load(RELOAD_AFTER_MS)) ?? known(await load(LOOK_AGAIN_AFTER_MS));
    },
  };
}

/**
 * Makes a new signing key; the current one becomes the previous one, which is still believed, and the previous one is
 * retired. A key that nobody signs with yet is not replaced: of several calls at once, in any number of processes, one
 * does it and the others find it done.
 *
 * Other processes believe the new key within 5 s, and everybody signs with it within 11 s. Twice within the life of a
 * token makes tokens invalid that are not over yet; their sessions go on with the next refresh.
 *
 * @param record is called in the transaction that makes the key, and not when there is nothing to do
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
    rows.map(async (row) => ({ ...(await importRow(services, row)), signs: row === signer })),
  );
}

/** The current key once every process knows it; until then the one before. */
function signingRow(rows: readonly KeyPair[], now: Date): KeyPair | undefined {
  const current = rows.find(({ status }) => status === 'CURRENT');
  const isKnown = current !== undefined && now.getTime() - current.createdAt.getTime() > SIGNS_AFTER_MS;
  return (isKnown ? undefined : rows.find(({ status }) => status === 'PREVIOUS')) ?? current;
}

async function importRow(services: KeyServices, row: KeyPair): Promise<Omit<LoadedKey, 'signs'>> {
  const [privateKey, publicKey] = await Promise.all([importPrivateKey(services, row), importPublicKey(row)]);
  return { kid: row.kid, privateKey, publicKey };
}

/** When several processes start at once, the unique index lets one key through and the others use it. */
async function createSigningKey(services: KeyServices): Promise<void> {
  try {
    await services.db.keyPair.create({ data: await createKeyRow(services, SIGNING) });
  } catch (error) {
    if (violatedConstraint(error) === undefined) throw error;
  }
}
