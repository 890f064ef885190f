import type { CryptoKey } from 'jose';
import type { KeyPair } from '../../generated/prisma/client.ts';
import { createSharedRead } from '../concurrency/shared-read.ts';
import { importPrivateKey, type KeyServices, TRANSPORT } from '../keys/key-pairs.ts';

/** The keys that messages may be encrypted to at this moment, and which moment it is. */
export interface ValidKeys {
  now: Date;
  /** The private half of a valid key; undefined when it is none of ours, or retired. */
  find: (kid: string) => Promise<CryptoKey | undefined>;
  isEmpty: boolean;
}

type KeyRow = Pick<KeyPair, 'kid' | 'algorithm' | 'privateKeyCiphertext'>;

/**
 * Reads which keys are valid. Each message asks PostgreSQL, many at once together, so that a key is there for every process
 * from its rotation on, and gone for every process with its retirement; what was imported is kept.
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
