import { z } from 'zod';
import { orNull } from '../../../platform/input.ts';
import { base64Of, plainServer, withRules } from './parts.ts';
import type { ProtocolConfig } from './protocol-config.ts';

/**
 * Shadowsocks 2022 methods need a server key in addition to each user's key. Its length is fixed by
 * the method.
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
    message: 'must be set for 2022 methods only, as base64 of the key length of the method',
  },
]);

/**
 * The credential is the user's password. For 2022 methods the password combines the server key with
 * the first bytes of the credential.
 */
export const shadowsocks = {
  client,
  server: plainServer,
  sharedSecrets: ['serverKey'],
} satisfies ProtocolConfig;
