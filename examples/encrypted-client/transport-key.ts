import { type CryptoKey, calculateJwkThumbprint, importJWK, type JWK } from 'jose';

/** A key of the server that requests are encrypted to. */
export interface TransportKey {
  /** The thumbprint of the key (RFC 7638). */
  kid: string;
  key: CryptoKey;
}

/**
 * Fetches the newest transport key of a server.
 *
 * @param pins thumbprints that the app was shipped with: no other key is taken then, whoever shows it
 * @throws Error when the server has none, or none that is pinned
 */
export async function fetchTransportKey(url: string, pins?: readonly string[]): Promise<TransportKey> {
  const response = await fetch(`${url}/.well-known/jwks.json`);
  const { keys } = (await response.json()) as { keys: JWK[] };
  for (const jwk of keys.filter(({ use, alg }) => use === 'enc' && alg === 'ECDH-ES')) {
    // Never the `kid` that came with it: that may be anything.
    const kid = await calculateJwkThumbprint(jwk);
    if (!pins || pins.includes(kid)) return { kid, key: (await importJWK(jwk, 'ECDH-ES')) as CryptoKey };
  }
  throw new Error('the server shows no transport key, or none that is pinned');
}
