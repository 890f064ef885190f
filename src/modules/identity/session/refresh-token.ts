import type { RetainedMacs } from '../../../platform/keys/retained-mac-keys.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import { SESSION_MS } from './start-session.ts';

const PURPOSE = 'refresh-token';

/** Apps hold tokens until they refresh, at most until the session expires. */
export const RETAINED_REFRESH_MACS: RetainedMacs = { purpose: PURPOSE, lifetimeMs: SESSION_MS };

const ID_BYTES = 16;
const GENERATION_BYTES = 4;
const MAC_BYTES = 32;

/**
 * The content of a refresh token. Untrusted until `isGenuine` has verified its MAC with the seed of
 * the session.
 */
export interface RefreshTokenParts {
  sessionId: string;
  generation: number;
  isGenuine: (refreshSeed: Uint8Array) => boolean;
}

/**
 * Derives the refresh token of one generation of a session: session id, generation, and a MAC over
 * both and the seed of the session. Tokens are not stored, and tokens of earlier generations still
 * verify.
 */
export function refreshTokenOf(
  secrets: Secrets,
  { sessionId, refreshSeed, generation }: { sessionId: string; refreshSeed: Uint8Array; generation: number },
): string {
  const head = headOf(sessionId, generation);
  return Buffer.concat([head, secrets.mac(PURPOSE, Buffer.concat([head, refreshSeed]))]).toString(
    'base64url',
  );
}

/** Parses a refresh token; undefined if its length is wrong. */
export function readRefreshToken(secrets: Secrets, token: string): RefreshTokenParts | undefined {
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.length !== ID_BYTES + GENERATION_BYTES + MAC_BYTES) return undefined;
  const head = bytes.subarray(0, ID_BYTES + GENERATION_BYTES);
  const mac = bytes.subarray(ID_BYTES + GENERATION_BYTES);
  return {
    sessionId: bytes.toString('hex', 0, ID_BYTES).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
    generation: bytes.readUInt32BE(ID_BYTES),
    isGenuine: (refreshSeed) => secrets.verifyMac(PURPOSE, Buffer.concat([head, refreshSeed]), mac),
  };
}

function headOf(sessionId: string, generation: number): Buffer {
  const head = Buffer.alloc(ID_BYTES + GENERATION_BYTES);
  head.write(sessionId.replaceAll('-', ''), 'hex');
  head.writeUInt32BE(generation, ID_BYTES);
  return head;
}
