import type { Prisma, Protocol } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkInput } from '../../../platform/input.ts';
import type { ProtocolConfig } from './protocol-config.ts';
import { PROTOCOLS, type PublicConfig } from './protocols.ts';

/** Both parts of a node's configuration. */
export interface NodeConfig {
  clientConfig: Prisma.InputJsonObject;
  serverConfig: Prisma.InputJsonObject | null;
}

/**
 * Validates both parts of a config against the schemas of the protocol, and against each other.
 *
 * @throws PlatformError BAD_USER_INPUT naming the invalid key, such as
 *   `input.serverConfig.privateKey`
 */
export function checkNodeConfig({
  protocol,
  clientConfig,
  serverConfig,
}: {
  protocol: Protocol;
  clientConfig: unknown;
  serverConfig?: unknown;
}): NodeConfig {
  // TypeScript cannot correlate the schemas with the functions of one protocol, hence `as never`.
  const schemas: ProtocolConfig = PROTOCOLS[protocol];
  const client = checkInput(schemas.client, clientConfig, 'input.clientConfig') as never;
  if (serverConfig == null && !schemas.needsServer?.(client))
    return { clientConfig: client, serverConfig: null };
  const server = checkInput(schemas.server, serverConfig ?? {}, 'input.serverConfig') as never;
  const mismatch = schemas.findMismatch?.(client, server);
  if (mismatch) {
    const field = `input.serverConfig.${mismatch.field}`;
    throw new PlatformError('BAD_USER_INPUT', { field, message: `${field}: ${mismatch.message}` });
  }
  return { clientConfig: client, serverConfig: server };
}

/** The part of a stored config that apps get; null if it is invalid for the protocol. */
export function publicConfig(protocol: Protocol, clientConfig: unknown): PublicConfig | null {
  const parsed = PROTOCOLS[protocol].client.safeParse(clientConfig);
  return parsed.success ? ({ protocol, ...parsed.data } as PublicConfig) : null;
}

const MASK = '(secret)';

/** A config for the audit log, with its secrets masked. */
export function maskedConfig(
  protocol: Protocol,
  { clientConfig, serverConfig }: { clientConfig: unknown; serverConfig: unknown },
) {
  const { sharedSecrets }: ProtocolConfig = PROTOCOLS[protocol];
  return {
    clientConfig: masked(clientConfig, (key) => sharedSecrets.includes(key)),
    // Every key of the agent's part is masked, so that a new one cannot leak by omission.
    serverConfig: masked(serverConfig, () => true),
  };
}

function masked(config: unknown, isSecret: (key: string) => boolean): Prisma.InputJsonObject | null {
  if (config === null || typeof config !== 'object') return null;
  const entries = Object.entries(config as Prisma.InputJsonObject);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, value != null && isSecret(key) ? MASK : value]),
  );
}
