import type { Secrets } from '../../../platform/keys/secrets.ts';

const PURPOSE = 'refresh-token';
const ID_BYTES = 16;
const GENERATION_BYTES = 4;
const MAC_BYTES = 32;

/** What a refresh token says of itself; `isGenuine` tells whether we have made it. */
export interface RefreshTokenParts {
  sessionId: string;
  generation: number;
  isGenuine: (refreshSeed: Uint8Array) => boolean;
}

/**
 * The refresh token of one generation of a session: its id, the generation, and a keyed hash over both and
 * the session's seed. Nothing of it is stored, and any token of a session can be told from a forgery.
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

/** Takes a token apart; undefined when it does not have the form of one. */
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
