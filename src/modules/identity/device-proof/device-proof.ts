import { createHash } from 'node:crypto';
import { calculateJwkThumbprint, compactVerify, errors, importJWK, type JWK } from 'jose';
import { z } from 'zod';
import { databaseNow } from '../../../platform/database/clock.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import type { Services } from '../../../platform/services.ts';
import { DeviceError } from '../../kernel/device.errors.ts';
import { challengeEnd } from './device-challenge.ts';

/** What a device has shown of itself, checked as far as that goes without knowing the device. */
export type ShownProof = ShownSecret | ShownKey;

export interface ShownSecret {
  kind: 'secret';
  /** SHA-256 of the secret, which has 256 random bits. */
  secretHash: Uint8Array<ArrayBuffer>;
}

export interface ShownKey {
  kind: 'key';
  publicKey: JWK;
  /** RFC 7638, base64url. */
  keyThumbprint: string;
  /** To be spent in the transaction of the login. */
  nonce: string;
  endsAt: Date;
}

const coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be 32 bytes as base64url');

/** A P-256 or Ed25519 public key as a JWK. Members that do not make the key are dropped; a private one is refused. */
export const DevicePublicKey = z
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

export type DevicePublicKey = z.output<typeof DevicePublicKey>;

const PROOF_TYPE = 'device-proof+jwt';
const PROOF_SECONDS = 120;

const Claims = z.object({
  nonce: z.string(),
  sub: z.string(),
  aud: z.literal('deviceLogin'),
  iat: z.number(),
});

/**
 * What the device shows of itself in a login; null when it shows nothing.
 *
 * @throws DeviceError DEVICE_PROOF_INVALID
 */
export async function showProof(
  { db, secrets }: Pick<Services, 'db' | 'secrets'>,
  { identifier, secret, publicKey, proof }: ShownFields,
): Promise<ShownProof | null> {
  if (secret) return showSecret(secret);
  if (!publicKey || !proof) return null;
  return showKey(secrets, { identifier, publicKey, proof, now: await databaseNow(db) });
}

/** The fields of a login that prove something. */
interface ShownFields {
  identifier: string;
  secret?: string | null | undefined;
  publicKey?: DevicePublicKey | null | undefined;
  proof?: string | null | undefined;
}

export function showSecret(secret: string): ShownSecret {
  return { kind: 'secret', secretHash: Uint8Array.from(createHash('sha256').update(secret).digest()) };
}

/**
 * Checks that whoever sent the proof holds the private half of the key, and made it for this login.
 *
 * @param proof compact JWS, header `{alg: ES256 | EdDSA, typ: "device-proof+jwt"}`,
 *   claims `nonce` of `deviceChallenge`, `sub` the identifier, `aud` "deviceLogin", `iat`
 * @throws DeviceError DEVICE_PROOF_INVALID
 */
export async function showKey(
  secrets: Secrets,
  {
    identifier,
    publicKey,
    proof,
    now,
  }: { identifier: string; publicKey: DevicePublicKey; proof: string; now: Date },
): Promise<ShownKey> {
  try {
    const alg = publicKey.kty === 'EC' ? 'ES256' : 'EdDSA';
    const { payload, protectedHeader } = await compactVerify(proof, await importJWK(publicKey, alg), {
      algorithms: [alg],
    });
    const claims = Claims.parse(JSON.parse(new TextDecoder().decode(payload)));
    const endsAt = challengeEnd(secrets, claims.nonce, identifier);
    const age = now.getTime() / 1_000 - claims.iat;
    const isFresh = endsAt !== undefined && endsAt > now && Math.abs(age) <= PROOF_SECONDS;
    if (!isFresh || protectedHeader.typ !== PROOF_TYPE || claims.sub !== identifier) {
      throw new DeviceError('DEVICE_PROOF_INVALID');
    }
    return {
      kind: 'key',
      publicKey,
      keyThumbprint: await calculateJwkThumbprint(publicKey),
      nonce: claims.nonce,
      endsAt,
    };
  } catch (error) {
    throw isFaultOfProof(error) ? new DeviceError('DEVICE_PROOF_INVALID') : error;
  }
}

/** WebCrypto throws a DOMException for a point that is not on the curve. */
function isFaultOfProof(error: unknown): boolean {
  return (
    error instanceof errors.JOSEError ||
    error instanceof z.ZodError ||
    error instanceof SyntaxError ||
    error instanceof TypeError ||
    error instanceof DOMException
  );
}
