import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { createDeviceChallenge } from '../../src/modules/identity/device-proof/device-challenge.ts';
import type { DevicePublicKey } from '../../src/modules/identity/device-proof/device-proof.ts';
import type { Services } from '../../src/platform/services.ts';

/** A key pair as an app keeps it. */
export interface AppKey {
  alg: 'ES256' | 'EdDSA';
  privateKey: CryptoKey;
  privateJwk: JWK;
  publicKey: DevicePublicKey;
}

export async function newKey(alg: AppKey['alg'] = 'ES256'): Promise<AppKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return {
    alg,
    privateKey,
    privateJwk: await exportJWK(privateKey),
    publicKey: (await exportJWK(publicKey)) as DevicePublicKey,
  };
}

/** What the proof says; whatever is given replaces what is right, and undefined leaves it out. */
export interface ProofParts {
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
  key?: CryptoKey | Uint8Array;
}

/** A proof with a fresh nonce. */
export async function prove(
  services: Pick<Services, 'db' | 'secrets'>,
  key: AppKey,
  identifier: string,
  parts: ProofParts = {},
): Promise<string> {
  const { nonce } = await createDeviceChallenge(services, { identifier });
  const claims = {
    nonce,
    sub: identifier,
    aud: 'deviceLogin',
    iat: Math.floor(Date.now() / 1_000),
    ...parts.claims,
  };
  return new SignJWT(defined(claims))
    .setProtectedHeader({ alg: key.alg, ...defined({ typ: 'device-proof+jwt', ...parts.header }) })
    .sign(parts.key ?? key.privateKey);
}

const defined = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
