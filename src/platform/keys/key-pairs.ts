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
import type { Secrets } from './secrets.ts';

/** What keys are for, and how. */
export interface KeyKind {
  purpose: KeyPurpose;
  /** As JOSE names it. */
  algorithm: string;
  use: 'sig' | 'enc';
}

/** What access tokens are signed with. */
export const SIGNING: KeyKind = { purpose: 'SIGNING', algorithm: 'ES256', use: 'sig' };

/** What devices encrypt their requests to. */
export const TRANSPORT: KeyKind = { purpose: 'TRANSPORT', algorithm: 'ECDH-ES', use: 'enc' };

/** What keys are stored with: the private halves are worth nothing without the secrets. */
export interface KeyServices {
  db: Database;
  secrets: Secrets;
}

type NewKeyRow = Prisma.KeyPairCreateInput & { kid: string; purpose: KeyPurpose };

/** Stands in front of what the private half is encrypted for. */
const SECRET_PURPOSE = 'key-pair';

/** The public halves of all keys that are believed, signing and transport, as RFC 7517 wants them; the current ones first. */
export async function readPublicKeys({ db }: Pick<KeyServices, 'db'>): Promise<{ keys: JWK[] }> {
  const rows = await db.keyPair.findMany({
    where: { status: { not: 'RETIRED' } },
    orderBy: [{ status: 'asc' }, { createdAt: 'desc' }],
  });
  return { keys: rows.map(({ publicJwk }) => publicJwk as JWK) };
}

/** The keys that are believed: the current one and the previous one, where there are any. */
export function readKeyRows(
  { db }: { db: Pick<Transaction, 'keyPair'> },
  { purpose }: KeyKind,
): Promise<KeyPair[]> {
  return db.keyPair.findMany({ where: { purpose, status: { not: 'RETIRED' } } });
}

/** A new P-256 key pair as it is stored, the current one; its id is the thumbprint of its public half (RFC 7638). */
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

/** Until the transaction ends, excludes everybody who would write keys, and nobody who reads them. */
export async function lockKeys(tx: Transaction): Promise<void> {
  await tx.$executeRaw`LOCK TABLE key_pairs IN SHARE ROW EXCLUSIVE MODE`;
}

/** Makes the new key the current one, the current one the previous one, and retires the previous one. */
export async function rotateKeys(tx: Transaction, row: NewKeyRow): Promise<KeyPair> {
  const turn = (from: KeyStatus, to: KeyStatus) =>
    tx.keyPair.updateMany({ where: { purpose: row.purpose, status: from }, data: { status: to } });
  await turn('PREVIOUS', 'RETIRED');
  await turn('CURRENT', 'PREVIOUS');
  return tx.keyPair.create({ data: row });
}

/** @throws DecryptionError when it was encrypted under a secret that is none of ours any more */
export function importPrivateKey(
  { secrets }: Pick<KeyServices, 'secrets'>,
  { kid, algorithm, privateKeyCiphertext }: Pick<KeyPair, 'kid' | 'algorithm' | 'privateKeyCiphertext'>,
): Promise<CryptoKey> {
  const json = secrets.decrypt(SECRET_PURPOSE, Buffer.from(privateKeyCiphertext), kid).toString();
  return importKey(JSON.parse(json) as JWK, algorithm);
}

/** The half that everybody may know. */
export function importPublicKey({ publicJwk, algorithm }: KeyPair): Promise<CryptoKey> {
  return importKey(publicJwk as JWK, algorithm);
}

async function importKey(jwk: JWK, algorithm: string): Promise<CryptoKey> {
  const key = await importJWK(jwk, algorithm);
  if (key instanceof Uint8Array) throw new Error('not a key of a pair');
  return key;
}
