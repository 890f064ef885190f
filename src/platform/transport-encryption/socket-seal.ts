import { openJwe, sealUnder } from './jwe.ts';
import { TransportEncryptionError } from './transport-encryption.errors.ts';

/** The messages of one connection, each a compact JWE that says which way it goes and which one it is. */
export interface SocketSeal {
  /**
   * Opens what the client has sent; to be called for one after the other.
   *
   * @throws TransportEncryptionError INVALID_CIPHERTEXT for what is not his next message
   */
  open: (jwe: string) => Promise<string>;
  /** Encrypts what goes to the client; they come out in the order in which they went in. */
  close: (message: string) => Promise<string>;
  /** Settles once nothing is being encrypted. */
  settled: () => Promise<unknown>;
  /** How many have gone the way that was used more. */
  used: () => number;
}

/** @param key that client and server alone know, used for this connection and nothing else */
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
