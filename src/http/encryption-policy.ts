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
 * What speaks for a device before there is a session, or to renew one: a login says who the device is and what proves it,
 * and the tokens of a device's session are worth as much as the device.
 */
export const DEVICE_ROOT_FIELDS: Readonly<Record<string, Rule>> = {
  deviceChallenge: always,
  deviceLogin: always,
  pendingBinding: always,
  login: withDevice,
  register: withDevice,
  refreshSession: ({ refreshToken }, services) => isOfDevice(services, String(refreshToken)),
};

/** Decides what must not come in clear once the site wants devices to encrypt. */
export interface EncryptionPolicy {
  /** @throws TransportEncryptionError for a device's session in clear where that must not be */
  ensurePlaintextSessionAllowed: (caller: Caller) => Promise<void>;
  /** @throws TransportEncryptionError for an operation in clear that is a device's, where that must not be */
  ensurePlaintextOperationAllowed: (operation: ValidOperation) => Promise<void>;
}

/** Everything of devices, and of nobody else: logins by e-mail, agents and public queries are never asked to encrypt. */
export function createEncryptionPolicy(
  services: Needed,
  {
    schema,
    plaintextRefusal: refusalOfClear,
  }: Pick<TransportEncryption, 'plaintextRefusal'> & { schema: GraphQLSchema },
): EncryptionPolicy {
  const ensureClear = async () => {
    const refusal = await refusalOfClear();
    if (refusal) throw refusal;
  };
  return {
    ensurePlaintextSessionAllowed: async (caller) => {
      if (isDevice(caller)) await ensureClear();
    },
    ensurePlaintextOperationAllowed: async (operation) => {
      const calls = requestedRootFields(schema, operation).filter(({ field }) =>
        Object.hasOwn(DEVICE_ROOT_FIELDS, field),
      );
      if (await someSpeakForDevice(services, calls)) await ensureClear();
    },
  };
}

/** Whether it is the session of a device that asks. */
export function isDevice(caller: Caller): boolean {
  return caller.kind === 'user' && caller.deviceId !== null;
}

async function someSpeakForDevice(services: Needed, calls: readonly RequestedRootField[]): Promise<boolean> {
  const found = await Promise.all(
    calls.map(({ field, args }) => (DEVICE_ROOT_FIELDS[field] ?? always)(args(), services)),
  );
  return found.includes(true);
}

async function isOfDevice({ db, secrets }: Needed, refreshToken: string): Promise<boolean> {
  const parts = readRefreshToken(secrets, refreshToken);
  if (!parts) return false;
  return (await db.session.count({ where: { id: parts.sessionId, deviceId: { not: null } } })) > 0;
}
