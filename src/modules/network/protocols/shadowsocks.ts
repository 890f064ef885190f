import { z } from 'zod';
import { orNull } from '../../../platform/input.ts';
import { base64Of, plainServer, withRules } from './parts.ts';
import type { ProtocolConfig } from './protocol-config.ts';

/**
 * The methods of 2022 have a key of the server beside that of each user; it must be as long as the
 * method's own.
 */
const SERVER_KEYS = {
  '2022-blake3-aes-128-gcm': base64Of(16),
  '2022-blake3-aes-256-gcm': base64Of(32),
} as const;

const METHODS = [
  'aes-128-gcm',
  'aes-256-gcm',
  'chacha20-ietf-poly1305',
  'xchacha20-ietf-poly1305',
  '2022-blake3-aes-128-gcm',
  '2022-blake3-aes-256-gcm',
] as const;

const keyOf = (method: (typeof METHODS)[number]) =>
  method in SERVER_KEYS ? SERVER_KEYS[method as keyof typeof SERVER_KEYS] : z.null();

const client = withRules(z.strictObject({ method: z.enum(METHODS), serverKey: orNull(z.string().max(64)) }), [
  {
    field: 'serverKey',
    holds: ({ method, serverKey }) => keyOf(method).safeParse(serverKey).success,
    says: 'is for methods of 2022, which need one of their own length in base64',
  },
]);

/**
 * Users show the credential as their password; with the methods of 2022, a part of it beside the
 * server's key.
 */
export const shadowsocks = {
  client,
  server: plainServer,
  sharedSecrets: ['serverKey'],
} satisfies ProtocolConfig;
