import { openJwe, sealUnder } from './jwe.ts';
import { TransportEncryptionError } from './transport-encryption.errors.ts';

/**
 * Encryption of one connection. Each message is a compact JWE whose header has its direction and
 * number.
 */
export interface SocketSeal {
  /**
   * Decrypts a message from the client. Calls must not overlap.
   *
   * @throws TransportEncryptionError INVALID_CIPHERTEXT unless it is the client's next message
   */
  open: (jwe: string) => Promise<string>;
  /** Encrypts a message to the client. Promises resolve in the order of the calls. */
  close: (message: string) => Promise<string>;
  /** Resolves when no encryption is in progress. */
  settled: () => Promise<unknown>;
  /** Number of messages in the direction that has more. */
  used: () => number;
}

/** @param key secret of this connection; must not be used for any other */
export function createSocketSeal(key: Uint8Array): SocketSeal {
  let received = 0;
  let sent = 0;
  let encrypting: Promise<unknown> = Promise.resolve();
  return {
    open: async (jwe) => {
      const { text, header } = await openJwe(jwe, 'dir', key);
      const { direction, counter } = header;
      if (direction !== 'client' || counter !== received)
        throw new TransportEncryptionError('INVALID_CIPHERTEXT');
      received += 1;
      return text;
    },
    close: (message) => {
      const header = { direction: 'server', counter: sent++ };
      const sealed = encrypting.then(() => sealUnder(key, header, message));
      encrypting = sealed;
      return sealed;
    },
    settled: () => encrypting,
    used: () => Math.max(received, sent),
  };
}
