import { createHash } from 'node:crypto';
import { calculateJwkThumbprint, compactVerify, errors, importJWK, type JWK } from 'jose';
import { z } from 'zod';
import { databaseNow } from '../../../platform/database/clock.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import type { Services } from '../../../platform/services.ts';
import { DeviceError } from '../../kernel/device.errors.ts';
import { readChallengeExpiry } from './device-challenge.ts';

/**
 * A credential presented in a login. A key is already proven to be in the sender's possession;
 * whether the credential is the one registered for the device, `checkCredential` decides.
 */
export type PresentedCredential = PresentedSecret | PresentedKey;

export interface PresentedSecret {
  kind: 'secret';
  /** SHA-256. A slow hash is not needed: secrets have at least 256 random bits. */
  secretHash: Uint8Array<ArrayBuffer>;
}

export interface PresentedKey {
  kind: 'key';
  publicKey: JWK;
  /** JWK thumbprint (RFC 7638), base64url. */
  keyThumbprint: string;
  /**
   * The challenge that was signed. `spendChallenge` must mark it as used in the transaction of the
   * login.
   */
  nonce: string;
  nonceExpiresAt: Date;
}

const coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be 32 bytes as base64url');

/**
 * A P-256 or Ed25519 public key as a JWK. Members that are not part of the key are dropped. A JWK
 * with a private member is rejected, so that an app notices when it leaks its private key.
 */
export const DevicePublicKeySchema = z
  .looseObject({})
  .refine((jwk) => !('d' in jwk), 'must not have the private member `d`')
  .pipe(
    z.union(
      [
        z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: coordinate, y: coordinate }),
        z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: coordinate }),
      ],
      'must be a P-256 or Ed25519 key as a JWK',
    ),
  );

export type DevicePublicKey = z.output<typeof DevicePublicKeySchema>;

const PROOF_TYPE = 'device-proof+jwt';

const Claims = z.object({
  nonce: z.string(),
  sub: z.string(),
  aud: z.literal('deviceLogin'),
});

/**
 * Reads the credential that a login presents; null if it presents none.
 *
 * @throws DeviceError DEVICE_PROOF_INVALID
 */
export async function verifyCredential(
  { db, secrets }: Pick<Services, 'db' | 'secrets'>,
  { identifier, secret, publicKey, proof }: CredentialInput,
): Promise<PresentedCredential | null> {
  if (secret) return hashSecret(secret);
  if (!publicKey || !proof) return null;
  return verifyKeyProof(secrets, { identifier, publicKey, proof, now: await databaseNow(db) });
}

/** The part of a device login that carries a credential. */
interface CredentialInput {
  identifier: string;
  secret?: string | null | undefined;
  publicKey?: DevicePublicKey | null | undefined;
  proof?: string | null | undefined;
}

export function hashSecret(secret: string): PresentedSecret {
  return { kind: 'secret', secretHash: Uint8Array.from(createHash('sha256').update(secret).digest()) };
}

/**
 * Verifies a proof of possession: that the sender holds the private key and signed an unexpired
 * challenge for this identifier.
 *
 * @param proof compact JWS with header `{alg: ES256 | EdDSA, typ: "device-proof+jwt"}`, and claims
 *   `nonce` (from `deviceChallenge`), `sub` (the identifier), `aud` ("deviceLogin")
 * @throws DeviceError DEVICE_PROOF_INVALID
 */
export async function verifyKeyProof(
  secrets: Secrets,
  {
    identifier,
    publicKey,
    proof,
    now,
  }: { identifier: string; publicKey: DevicePublicKey; proof: string; now: Date },
): Promise<PresentedKey> {
  try {
    const alg = publicKey.kty === 'EC' ? 'ES256' : 'EdDSA';
    const { payload, protectedHeader } = await compactVerify(proof, await importJWK(publicKey, alg), {
      algorithms: [alg],
    });
    const claims = Claims.parse(JSON.parse(new TextDecoder().decode(payload)));
    const nonceExpiresAt = readChallengeExpiry(secrets, claims.nonce, identifier);
    // `iat` is not checked: the nonce is ours, expires by our clock and is used once.
    if (nonceExpiresAt === undefined || nonceExpiresAt <= now) throw new DeviceError('DEVICE_PROOF_INVALID');
    if (protectedHeader.typ !== PROOF_TYPE || claims.sub !== identifier) {
      throw new DeviceError('DEVICE_PROOF_INVALID');
    }
    return {
      kind: 'key',
      publicKey,
      keyThumbprint: await calculateJwkThumbprint(publicKey),
      nonce: claims.nonce,
      nonceExpiresAt,
    };
  } catch (error) {
    throw isInvalidProof(error) ? new DeviceError('DEVICE_PROOF_INVALID') : error;
  }
}

/**
 * Whether the client's input caused the error. WebCrypto throws a DOMException for a point off the
 * curve.
 */
function isInvalidProof(error: unknown): boolean {
  return (
    error instanceof errors.JOSEError ||
    error instanceof z.ZodError ||
    error instanceof SyntaxError ||
    error instanceof TypeError ||
    error instanceof DOMException
  );
}
