import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose';
import type { KeyPair, KeyPurpose, KeyStatus, Prisma } from '../../generated/prisma/client.ts';
import type { Database, Transaction } from '../database/database.ts';
import type { RotatingSecrets, Secrets } from './secrets.ts';

export interface KeyKind {
  purpose: KeyPurpose;
  /** JOSE name: `ES256`. */
  algorithm: string;
  use: 'sig' | 'enc';
}

/** Signs access tokens. */
export const SIGNING: KeyKind = { purpose: 'SIGNING', algorithm: 'ES256', use: 'sig' };

/** Devices encrypt their requests to it. */
export const TRANSPORT: KeyKind = { purpose: 'TRANSPORT', algorithm: 'ECDH-ES', use: 'enc' };

/** Private keys are stored encrypted under the secrets. */
export interface KeyServices {
  db: Database;
  secrets: Secrets;
}

type NewKeyRow = Prisma.KeyPairCreateInput & { kid: string; purpose: KeyPurpose };

/** Purpose under which private keys are encrypted. */
const SECRET_PURPOSE = 'key-pair';

/**
 * All valid public keys (signing and transport) as a JSON Web Key Set (RFC 7517), current ones
 * first.
 */
export async function readPublicKeys({ db }: Pick<KeyServices, 'db'>): Promise<{ keys: JWK[] }> {
  const rows = await db.keyPair.findMany({
    where: { status: { not: 'RETIRED' } },
    orderBy: [{ status: 'asc' }, { createdAt: 'desc' }],
  });
  return { keys: rows.map(({ publicJwk }) => publicJwk as JWK) };
}

/** The valid keys: the current and the previous one, if they exist. */
export function readKeyRows(
  { db }: { db: Pick<Transaction, 'keyPair'> },
  { purpose }: KeyKind,
): Promise<KeyPair[]> {
  return db.keyPair.findMany({ where: { purpose, status: { not: 'RETIRED' } } });
}

/**
 * Generates a P-256 key pair, as a row with status CURRENT. Its id is the thumbprint of the public
 * key (RFC 7638).
 */
export async function createKeyRow(
  { secrets }: Pick<KeyServices, 'secrets'>,
  { purpose, algorithm, use }: KeyKind,
): Promise<NewKeyRow> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { crv: 'P-256', extractable: true });
  const publicJwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(publicJwk);
  const privateJwk = JSON.stringify(await exportJWK(privateKey));
  return {
    kid,
    purpose,
    status: 'CURRENT',
    algorithm,
    publicJwk: { ...publicJwk, kid, alg: algorithm, use } as Prisma.InputJsonObject,
    privateKeyCiphertext: Uint8Array.from(secrets.encrypt(SECRET_PURPOSE, privateJwk, kid)),
  };
}

/** Blocks other writers of keys, but not readers, until the transaction ends. */
export async function lockKeys(tx: Transaction): Promise<void> {
  await tx.$executeRaw`LOCK TABLE key_pairs IN SHARE ROW EXCLUSIVE MODE`;
}

/** Makes the new key CURRENT, the current one PREVIOUS, and the previous one RETIRED. */
export async function rotateKeys(tx: Transaction, row: NewKeyRow): Promise<KeyPair> {
  const move = (from: KeyStatus, to: KeyStatus) =>
    tx.keyPair.updateMany({ where: { purpose: row.purpose, status: from }, data: { status: to } });
  await move('PREVIOUS', 'RETIRED');
  await move('CURRENT', 'PREVIOUS');
  return tx.keyPair.create({ data: row });
}

/** @throws DecryptionError if it was encrypted under a secret that is no longer configured */
export function importPrivateKey(
  { secrets }: Pick<KeyServices, 'secrets'>,
  { kid, algorithm, privateKeyCiphertext }: Pick<KeyPair, 'kid' | 'algorithm' | 'privateKeyCiphertext'>,
): Promise<CryptoKey> {
  const json = secrets.decrypt(SECRET_PURPOSE, Buffer.from(privateKeyCiphertext), kid).toString();
  return importKey(JSON.parse(json) as JWK, algorithm);
}

export function importPublicKey({ publicJwk, algorithm }: KeyPair): Promise<CryptoKey> {
  return importKey(publicJwk as JWK, algorithm);
}

async function importKey(jwk: JWK, algorithm: string): Promise<CryptoKey> {
  const key = await importJWK(jwk, algorithm);
  if (key instanceof Uint8Array) throw new Error('a key pair must be asymmetric');
  return key;
}

/** Encrypts all private keys under the secret key in use, those of retired pairs too. */
export async function resealKeyPairs(tx: Transaction, secrets: RotatingSecrets): Promise<void> {
  await lockKeys(tx);
  for (const { id, kid, privateKeyCiphertext } of await tx.keyPair.findMany()) {
    const sealed = secrets.reseal(SECRET_PURPOSE, privateKeyCiphertext, kid);
    if (sealed)
      await tx.keyPair.update({ where: { id }, data: { privateKeyCiphertext: Uint8Array.from(sealed) } });
  }
}
