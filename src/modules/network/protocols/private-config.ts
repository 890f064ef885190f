import { z } from 'zod';
import { type Node, Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Services } from '../../../platform/services.ts';

/*
 * The agent's part of a config has private keys, so it is stored encrypted. Processes of version
 * 0.1 write plaintext to the same column, and can't read anything else.
 */

const PURPOSE = 'node-config';
const KEY_ID_CHARACTERS = 16;

/** No protocol has these keys, so that it can't be mistaken for plaintext. */
const SealedConfig = z.strictObject({
  /** AES-256-GCM of the config as JSON, in base64. The id of the node is authenticated with it. */
  sealed: z.string(),
  /** Identifies the secret key, so that a change of the key can encrypt it again. */
  key: z.string(),
});

type Secrets = Pick<Services, 'secrets'>;

/** Identifies the current secret key. */
export function sealingKey({ secrets }: Secrets): string {
  return secrets.mac(PURPOSE, '').toString('hex').slice(0, KEY_ID_CHARACTERS);
}

export function sealConfig({ secrets }: Secrets, nodeId: string, config: object): Prisma.InputJsonObject {
  const sealed = secrets.encrypt(PURPOSE, JSON.stringify(config), nodeId).toString('base64');
  return { sealed, key: sealingKey({ secrets }) };
}

/**
 * Decrypts the agent's part of a stored config; null if the node has no such part.
 *
 * @throws DecryptionError if it was encrypted with a key that is no longer configured, or belongs
 *   to another node
 */
export function openConfig(
  { secrets }: Secrets,
  { id, serverConfig }: Pick<Node, 'id' | 'serverConfig'>,
): Prisma.JsonValue {
  const stored = SealedConfig.safeParse(serverConfig);
  if (!stored.success) return serverConfig;
  return JSON.parse(secrets.decrypt(PURPOSE, Buffer.from(stored.data.sealed, 'base64'), id).toString());
}

/**
 * The agent's part of a config, as it is stored: plaintext while processes of version 0.1 may
 * still read it.
 */
export async function storedConfig(
  services: Secrets,
  tx: Pick<Transaction, '$queryRaw'>,
  { nodeId, serverConfig }: { nodeId: string; serverConfig: Prisma.InputJsonObject | null },
): Promise<Prisma.InputJsonObject | typeof Prisma.DbNull> {
  // Prisma needs DbNull: plain null would be ambiguous in a JSON column.
  if (serverConfig === null) return Prisma.DbNull;
  const [state] = await tx.$queryRaw<{ isSealing: boolean }[]>`
    SELECT seals_configs_at <= tessera_now() AS "isSealing" FROM service_state`;
  return state?.isSealing ? sealConfig(services, nodeId, serverConfig) : serverConfig;
}
