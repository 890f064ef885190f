import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose';
import type { KeyPair, Prisma } from '../generated/prisma/client.ts';
import { type Database, violatedConstraint } from './database.ts';
import type { Secrets } from './secrets.ts';

const ALGORITHM = 'ES256';

/**
 * The key pairs that tokens are signed with. They stand in PostgreSQL, the private halves encrypted: the
 * current one signs, the previous one is still believed.
 */
export interface KeyRing {
  readonly algorithm: string;
  current: () => Promise<{ kid: string; key: CryptoKey }>;
  /** The public key of that id; undefined when none of ours, or retired. */
  find: (kid: string) => Promise<CryptoKey | undefined>;
}

interface KeyServices {
  db: Database;
  secrets: Secrets;
}

interface LoadedKey {
  kid: string;
  isCurrent: boolean;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
}

/** Rotations elsewhere are seen after this time; a key id never seen before is looked up at once. */
const RELOAD_AFTER_MS = 5_000;
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
    algorithm: ALGORITHM,
    current: async () => {
      const key = (await load(RELOAD_AFTER_MS)).find(({ isCurrent }) => isCurrent);
      if (!key) throw new Error('there is no current signing key');
      return { kid: key.kid, key: key.privateKey };
    },
    find: async (kid) => {
      const known = (keys: LoadedKey[]) => keys.find((key) => key.kid === kid)?.publicKey;
      return known(await load(RELOAD_AFTER_MS)) ?? known(await load(LOOK_AGAIN_AFTER_MS));
    },
  };
}

/** The public halves of all keys that are believed, signing and transport, as RFC 7517 wants them. */
export async function readPublicKeys({ db }: Pick<KeyServices, 'db'>): Promise<{ keys: JWK[] }> {
  const rows = await db.keyPair.findMany({
    where: { status: { not: 'RETIRED' } },
    orderBy: { createdAt: 'desc' },
  });
  return { keys: rows.map(({ publicJwk }) => publicJwk as JWK) };
}

async function loadKeys(services: KeyServices): Promise<LoadedKey[]> {
  const rows = await readSigningRows(services);
  if (rows.length > 0) return Promise.all(rows.map((row) => importRow(services, row)));
  await createSigningKey(services);
  return Promise.all((await readSigningRows(services)).map((row) => importRow(services, row)));
}

function readSigningRows({ db }: KeyServices): Promise<KeyPair[]> {
  return db.keyPair.findMany({ where: { purpose: 'SIGNING', status: { not: 'RETIRED' } } });
}

async function importRow({ secrets }: KeyServices, row: KeyPair): Promise<LoadedKey> {
  const privateJwk = JSON.parse(
    secrets.decrypt('key-pair', Buffer.from(row.privateKeyCiphertext), row.kid).toString(),
  ) as JWK;
  const [privateKey, publicKey] = await Promise.all([
    importJWK(privateJwk, ALGORITHM),
    importJWK(row.publicJwk as JWK, ALGORITHM),
  ]);
  if (privateKey instanceof Uint8Array || publicKey instanceof Uint8Array) throw new Error('not a key pair');
  return { kid: row.kid, isCurrent: row.status === 'CURRENT', privateKey, publicKey };
}

/** When several processes start at once, the unique index lets one key through and the others use it. */
async function createSigningKey({ db, secrets }: KeyServices): Promise<void> {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const publicJwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(publicJwk);
  const privateJwk = JSON.stringify(await exportJWK(privateKey));
  try {
    await db.keyPair.create({
      data: {
        kid,
        purpose: 'SIGNING',
        status: 'CURRENT',
        algorithm: ALGORITHM,
        publicJwk: { ...publicJwk, kid, alg: ALGORITHM, use: 'sig' } as Prisma.InputJsonObject,
        privateKeyCiphertext: Uint8Array.from(secrets.encrypt('key-pair', privateJwk, kid)),
      },
    });
  } catch (error) {
    if (violatedConstraint(error) === undefined) throw error;
  }
}
