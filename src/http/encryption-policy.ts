import type { GraphQLSchema } from 'graphql';
import { readRefreshToken } from '../modules/identity/session/refresh-token.ts';
import type { Caller } from '../modules/kernel/caller.ts';
import {
  type RequestedRootField,
  requestedRootFields,
  type ValidOperation,
} from '../platform/graphql/requested-root-fields.ts';
import type { Services } from '../platform/services.ts';
import type { TransportEncryption } from '../platform/transport-encryption/transport-encryption.ts';

type Needed = Pick<Services, 'db' | 'secrets'>;
type Rule = (args: Record<string, unknown>, services: Needed) => boolean | Promise<boolean>;

const always: Rule = () => true;
const withDevice: Rule = ({ input }) => (input as { device?: unknown } | undefined)?.device != null;

/**
 * Root fields whose arguments or result carry secrets of a device before it has a session, or the
 * refresh token of its session.
 */
export const DEVICE_ROOT_FIELDS: Readonly<Record<string, Rule>> = {
  deviceChallenge: always,
  deviceLogin: always,
  pendingBinding: always,
  login: withDevice,
  register: withDevice,
  refreshSession: ({ refreshToken }, services) => isOfDevice(services, String(refreshToken)),
};

/** Refuses plaintext from devices while the site requires encryption. */
export interface EncryptionPolicy {
  /** @throws TransportEncryptionError if the caller is a device and encryption is required */
  ensurePlaintextSessionAllowed: (caller: Caller) => Promise<void>;
  /**
   * @throws TransportEncryptionError if it selects a device root field and encryption is required
   */
  ensurePlaintextOperationAllowed: (operation: ValidOperation) => Promise<void>;
}

/**
 * Applies to devices only. Logins by e-mail, agents and public queries can always use plaintext.
 */
export function createEncryptionPolicy(
  services: Needed,
  { schema, plaintextRefusal }: Pick<TransportEncryption, 'plaintextRefusal'> & { schema: GraphQLSchema },
): EncryptionPolicy {
  const ensurePlaintextAllowed = async () => {
    const refusal = await plaintextRefusal();
    if (refusal) throw refusal;
  };
  return {
    ensurePlaintextSessionAllowed: async (caller) => {
      if (isDevice(caller)) await ensurePlaintextAllowed();
    },
    ensurePlaintextOperationAllowed: async (operation) => {
      const fields = requestedRootFields(schema, operation).filter(({ field }) =>
        Object.hasOwn(DEVICE_ROOT_FIELDS, field),
      );
      if (await someCarryDeviceSecrets(services, fields)) await ensurePlaintextAllowed();
    },
  };
}

/** Whether the caller's session belongs to a device. */
export function isDevice(caller: Caller): boolean {
  return caller.kind === 'user' && caller.deviceId !== null;
}

async function someCarryDeviceSecrets(
  services: Needed,
  fields: readonly RequestedRootField[],
): Promise<boolean> {
  const found = await Promise.all(
    fields.map(({ field, args }) => (DEVICE_ROOT_FIELDS[field] ?? always)(args(), services)),
  );
  return found.includes(true);
}

async function isOfDevice({ db, secrets }: Needed, refreshToken: string): Promise<boolean> {
  const parts = readRefreshToken(secrets, refreshToken);
  if (!parts) return false;
  return (await db.session.count({ where: { id: parts.sessionId, deviceId: { not: null } } })) > 0;
}
