import { z } from 'zod';
import { type Node, type Prisma, Protocol } from '../../../generated/prisma/client.ts';
import { EditedVersion } from '../../../platform/database/edit.ts';
import { orElse, orNull, orUnchanged } from '../../../platform/input.ts';
import { DecryptionError } from '../../../platform/keys/secrets.ts';
import type { Services } from '../../../platform/services.ts';
import { label } from '../../../platform/text.ts';
import { maskedConfig } from '../protocols/node-config.ts';
import { Host } from '../protocols/parts.ts';
import { openConfig } from '../protocols/private-config.ts';

const tag = label(50);

/** Tags of a node or a plan; duplicates are dropped. */
export const Tags = z
  .array(tag)
  .max(100, 'must have at most 100 entries')
  .transform((tags) => [...new Set(tags)]);

/**
 * A ratio as text, to match `numeric(9, 4)` exactly: at most five digits before the point and four
 * after it.
 */
const Ratio = z
  .number()
  .transform(String)
  .pipe(z.string().regex(/^\d{1,5}(\.\d{1,4})?$/, 'must be from 0 to 99999.9999, with at most 4 decimals'));

const MAX_INT = 2_147_483_647;

const fields = {
  name: label(100),
  protocol: z.enum(Protocol),
  address: Host,
  port: z.number().int().min(1, 'must be at least 1').max(65_535, 'must be at most 65535'),
  tags: Tags,
  ratio: Ratio,
  enabled: z.boolean(),
  sort: z.number().int().min(-MAX_INT).max(MAX_INT),
  config: z.unknown(),
};

export const NewNode = z.object({
  serverId: z.string(),
  name: fields.name,
  protocol: fields.protocol,
  address: orNull(fields.address),
  port: fields.port,
  tags: orElse(fields.tags, []),
  ratio: orElse(fields.ratio, '1'),
  enabled: orElse(fields.enabled, true),
  sort: orElse(fields.sort, 0),
  clientConfig: fields.config,
  serverConfig: fields.config.optional(),
});

/**
 * Absent fields keep their values. Null clears `address`, so that the server's address applies, and
 * `serverConfig`.
 */
export const NodeChanges = z.object({
  version: EditedVersion,
  name: orUnchanged(fields.name),
  protocol: orUnchanged(fields.protocol),
  address: fields.address.nullish(),
  port: orUnchanged(fields.port),
  tags: orUnchanged(fields.tags),
  ratio: orUnchanged(fields.ratio),
  enabled: orUnchanged(fields.enabled),
  sort: orUnchanged(fields.sort),
  clientConfig: orUnchanged(fields.config),
  serverConfig: fields.config.optional(),
});

/** A node as the audit log stores it, with its secrets masked. */
export function auditedNode(
  services: Pick<Services, 'secrets'>,
  { ratio, createdAt, deletedAt, ...node }: Node,
): Prisma.InputJsonObject {
  const { protocol, clientConfig } = node;
  const serverConfig = readableConfig(services, node);
  return { ...node, ratio: ratio.toString(), ...maskedConfig(protocol, { clientConfig, serverConfig }) };
}

/** Null for a config that no configured key decrypts, so that an admin can replace or delete it. */
export function readableConfig(services: Pick<Services, 'secrets'>, node: Pick<Node, 'id' | 'serverConfig'>) {
  try {
    return openConfig(services, node);
  } catch (error) {
    if (error instanceof DecryptionError) return null;
    throw error;
  }
}
