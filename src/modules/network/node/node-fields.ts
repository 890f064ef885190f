import { z } from 'zod';
import { type Node, type Prisma, Protocol } from '../../../generated/prisma/client.ts';
import { EditedVersion } from '../../../platform/database/edit.ts';
import { orElse, orNull, orUnchanged } from '../../../platform/input.ts';
import { maskedConfig } from '../protocols/node-config.ts';
import { Host } from '../protocols/parts.ts';

const tag = z.string().trim().min(1, 'must not be empty').max(50, 'must have at most 50 characters');

/** The tags of a plan, or of a node, each once. */
export const Tags = z
  .array(tag)
  .max(100, 'must have at most 100 entries')
  .transform((tags) => [...new Set(tags)]);

/**
 * As PostgreSQL keeps it, so that nothing is rounded on the way: at most five digits before the
 * point and four behind.
 */
const Ratio = z
  .number()
  .transform(String)
  .pipe(z.string().regex(/^\d{1,5}(\.\d{1,4})?$/, 'must be from 0 to 99999.9999, with at most 4 decimals'));

const LARGEST_INT = 2_147_483_647;

const fields = {
  name: z.string().trim().min(1, 'must not be empty').max(100, 'must have at most 100 characters'),
  protocol: z.enum(Protocol),
  address: Host,
  port: z.number().int().min(1, 'must be at least 1').max(65_535, 'must be at most 65535'),
  tags: Tags,
  ratio: Ratio,
  enabled: z.boolean(),
  sort: z.number().int().min(-LARGEST_INT).max(LARGEST_INT),
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
 * What is left out stays as it is. Without an address the server's is told, without a server's part
 * none.
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

/** A node as the audit log has it: without what only its agent, or only its users, may know. */
export function auditedNode({ ratio, createdAt, deletedAt, ...node }: Node): Prisma.InputJsonObject {
  return { ...node, ratio: ratio.toString(), ...maskedConfig(node.protocol, node) };
}
