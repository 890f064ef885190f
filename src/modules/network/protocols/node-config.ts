import type { Prisma, Protocol } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkInput } from '../../../platform/input.ts';
import type { ProtocolConfig } from './protocol-config.ts';
import { PROTOCOLS, type PublicConfig } from './protocols.ts';

/** The two parts of what a node is told, as they are stored. */
export interface NodeConfig {
  clientConfig: Prisma.InputJsonObject;
  serverConfig: Prisma.InputJsonObject | null;
}

/**
 * Holds both parts of a config to the schemas of the protocol, and to each other.
 *
 * @throws PlatformError BAD_USER_INPUT naming the key at fault: `input.serverConfig.privateKey`
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
  // One type for all of them: what `client` gives is what the same protocol's functions take.
  const schemas: ProtocolConfig = PROTOCOLS[protocol];
  const client = checkInput(schemas.client, clientConfig, 'input.clientConfig') as never;
  if (serverConfig == null && !schemas.needsServer?.(client))
    return { clientConfig: client, serverConfig: null };
  const server = checkInput(schemas.server, serverConfig ?? {}, 'input.serverConfig') as never;
  const misfit = schemas.misfit?.(client, server);
  if (misfit) {
    const field = `input.serverConfig.${misfit.field}`;
    throw new PlatformError('BAD_USER_INPUT', { field, message: `${field}: ${misfit.says}` });
  }
  return { clientConfig: client, serverConfig: server };
}

/**
 * What apps may know of a stored config, and nothing else; null when it does not fit the protocol.
 */
export function publicConfig(protocol: Protocol, clientConfig: unknown): PublicConfig | null {
  const parsed = PROTOCOLS[protocol].client.safeParse(clientConfig);
  return parsed.success ? ({ protocol, ...parsed.data } as PublicConfig) : null;
}

const MASK = '(secret)';

/** A config with which nobody could connect or listen: for the audit log. */
export function maskedConfig(
  protocol: Protocol,
  { clientConfig, serverConfig }: { clientConfig: unknown; serverConfig: unknown },
) {
  const { sharedSecrets }: ProtocolConfig = PROTOCOLS[protocol];
  return {
    clientConfig: masked(clientConfig, (key) => sharedSecrets.includes(key)),
    // Whatever only the agent is told is masked, so that nobody can forget to say that it is
    // secret.
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
