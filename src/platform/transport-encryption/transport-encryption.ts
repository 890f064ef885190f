import type { DomainError } from '../errors.ts';
import type { KeyServices } from '../keys/key-pairs.ts';
import type { Logger } from '../logger.ts';
import type { Redis } from '../redis/redis.ts';
import { type Envelope, openEnvelope } from './open-envelope.ts';
import { TransportEncryptionError } from './transport-encryption.errors.ts';
import { createTransportKeys } from './transport-keys.ts';

/** What is needed to open messages, and to tell when clear ones will not do. */
export interface TransportEncryption {
  /** @throws TransportEncryptionError INVALID_CIPHERTEXT; SECRET_IS_EMPTY when it is required and there is no key */
  open: (jwe: string) => Promise<Envelope>;
  /** What to refuse a device with that speaks in clear; undefined where it may. */
  plaintextRefusal: () => Promise<DomainError | undefined>;
}

interface EncryptionServices extends KeyServices {
  redis: Redis;
  log: Pick<Logger, 'warn'>;
}

/**
 * Encryption of what devices send and get, over whatever encrypts the connection. Encrypted messages are welcome as soon
 * as there is a key, so that apps can begin before it is required.
 *
 * @param isRequired whether devices must encrypt, asked anew each time
 */
export function createTransportEncryption(
  services: EncryptionServices,
  { isRequired }: { isRequired: () => Promise<boolean> },
): TransportEncryption {
  const readKeys = createTransportKeys(services);
  return {
    open: (jwe) =>
      openEnvelope(services, jwe, async () => {
        const keys = await readKeys();
        if (keys.isEmpty && (await isRequired())) throw new TransportEncryptionError('SECRET_IS_EMPTY');
        return keys;
      }),
    plaintextRefusal: async () => {
      if (!(await isRequired())) return undefined;
      const { isEmpty } = await readKeys();
      return new TransportEncryptionError(isEmpty ? 'SECRET_IS_EMPTY' : 'INVALID_CIPHERTEXT');
    },
  };
}
