import { type CryptoKey, calculateJwkThumbprint, importJWK, type JWK } from 'jose';

/** A public key of the server, to which requests are encrypted. */
export interface TransportKey {
  /** Thumbprint of the key, by RFC 7638. */
  kid: string;
  key: CryptoKey;
}

/**
 * Fetches the current transport key of a server.
 *
 * @param pins thumbprints that the app was shipped with; if present, all other keys are rejected
 * @throws Error if the server has no key, or no pinned one
 */
export async function fetchTransportKey(url: string, pins?: readonly string[]): Promise<TransportKey> {
  const response = await fetch(`${url}/.well-known/jwks.json`);
  const { keys } = (await response.json()) as { keys: JWK[] };
  for (const jwk of keys.filter(({ use, alg }) => use === 'enc' && alg === 'ECDH-ES')) {
    // Ignores the `kid` in the response, which an attacker can choose.
    const kid = await calculateJwkThumbprint(jwk);
    if (!pins || pins.includes(kid)) return { kid, key: (await importJWK(jwk, 'ECDH-ES')) as CryptoKey };
  }
  throw new Error('the server has no transport key, or no pinned one');
}
