import type { CryptoKey } from 'jose';
import type { KeyPair } from '../../generated/prisma/client.ts';
import { createSharedRead } from '../concurrency/shared-read.ts';
import { importPrivateKey, type KeyServices, TRANSPORT } from '../keys/key-pairs.ts';

/** The transport keys that are not retired. */
export interface ValidKeys {
  /** Database time at which the keys were read. */
  now: Date;
  /** Returns the private key with this id; undefined if it is unknown or retired. */
  find: (kid: string) => Promise<CryptoKey | undefined>;
  isEmpty: boolean;
}

type KeyRow = Pick<KeyPair, 'kid' | 'algorithm' | 'privateKeyCiphertext'>;

/**
 * Reads the valid keys from PostgreSQL for each message (concurrent messages share a read), so that
 * rotation and retirement take effect in all processes immediately. Imported private keys are
 * cached.
 */
export function createTransportKeys(services: KeyServices): () => Promise<ValidKeys> {
  const imported = new Map<string, Promise<CryptoKey>>();
  const find = (rows: readonly KeyRow[], kid: string) => {
    const row = rows.find((candidate) => candidate.kid === kid);
    if (!row) return undefined;
    const key = imported.get(kid) ?? Promise.resolve().then(() => importPrivateKey(services, row));
    imported.set(kid, key);
    return key;
  };
  return createSharedRead(async () => {
    const read = await services.db.$queryRaw<
      ({ now: Date } & { [Key in keyof KeyRow]: KeyRow[Key] | null })[]
    >`
      SELECT n.now, k.kid, k.algorithm, k.private_key_ciphertext AS "privateKeyCiphertext"
      FROM (SELECT tessera_now() AS now) n
      LEFT JOIN key_pairs k ON k.purpose = ${TRANSPORT.purpose}::"KeyPurpose" AND k.status <> 'RETIRED'`;
    const rows = read.filter((row): row is { now: Date } & KeyRow => row.kid !== null);
    for (const kid of imported.keys()) if (!rows.some((row) => row.kid === kid)) imported.delete(kid);
    return {
      now: read[0]?.now ?? new Date(),
      find: async (kid: string) => find(rows, kid),
      isEmpty: rows.length === 0,
    };
  });
}
