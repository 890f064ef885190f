import type { DomainError } from '../errors.ts';
import type { KeyServices } from '../keys/key-pairs.ts';
import type { Logger } from '../logger.ts';
import type { Redis } from '../redis/redis.ts';
import { type Envelope, openEnvelope, type Purpose } from './open-envelope.ts';
import { TransportEncryptionError } from './transport-encryption.errors.ts';
import { createTransportKeys } from './transport-keys.ts';

/** Decrypts messages, and decides whether plaintext is allowed. */
export interface TransportEncryption {
  /**
   * @throws TransportEncryptionError INVALID_CIPHERTEXT; SECRET_IS_EMPTY if encryption is required
   *   and no key exists
   */
  open: (jwe: string, purpose: Purpose) => Promise<Envelope>;
  /** The refusal for a device that sends plaintext; undefined while encryption is not required. */
  plaintextRefusal: () => Promise<DomainError | undefined>;
}

interface EncryptionServices extends KeyServices {
  redis: Redis;
  log: Pick<Logger, 'warn'>;
}

/**
 * Encryption of messages to and from devices, in addition to TLS. Encrypted messages are accepted
 * as soon as a transport key exists, so apps can start encrypting before it is required.
 *
 * @param isRequired whether devices must encrypt; called for each message
 */
export function createTransportEncryption(
  services: EncryptionServices,
  { isRequired }: { isRequired: () => Promise<boolean> },
): TransportEncryption {
  const readKeys = createTransportKeys(services);
  return {
    open: (jwe, purpose) =>
      openEnvelope(services, { jwe, purpose }, async () => {
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
