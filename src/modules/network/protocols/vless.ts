import { createPrivateKey, createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { orElse, orNull } from '../../../platform/input.ts';
import { required } from '../../../platform/required.ts';
import {
  certificateRules,
  clientTls,
  Host,
  serverTls,
  transport,
  transportRules,
  withRules,
} from './parts.ts';
import { normalizePrivateKey } from './pem.ts';
import type { ConfigMismatch, ProtocolConfig } from './protocol-config.ts';

const Key = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be an X25519 key: 43 characters of base64url');
const ShortId = z.string().regex(/^([0-9a-f]{2}){0,8}$/, 'must be up to 16 hexadecimal digits, in pairs');

const client = withRules(
  z.strictObject({
    security: z.enum(['none', 'tls', 'reality']),
    // Other panels export an absent flow as an empty string.
    flow: z
      .enum(['', 'xtls-rprx-vision'])
      .nullish()
      .transform((flow) => flow || null),
    publicKey: orNull(Key),
    shortId: orNull(ShortId),
    ...clientTls,
    ...transport,
  }),
  [
    ...transportRules,
    {
      field: 'serverName',
      holds: ({ security, serverName }) =>
        security === 'tls' || (security === 'reality') === (serverName !== null),
      message: 'requires security tls or reality, and is required for reality',
    },
    {
      field: 'publicKey',
      holds: ({ security, publicKey }) => (security === 'reality') === (publicKey !== null),
      message: 'must be set if and only if security is reality',
    },
    {
      field: 'shortId',
      holds: ({ security, shortId }) => (security === 'reality') === (shortId !== null),
      message: 'must be set if and only if security is reality; it can be an empty string',
    },
    {
      field: 'flow',
      holds: ({ flow, security, network }) => flow === null || (security !== 'none' && network === 'tcp'),
      message: 'requires network tcp, and security tls or reality',
    },
    {
      field: 'network',
      holds: ({ security, network }) =>
        security !== 'reality' || network === 'tcp' || network === 'grpc' || network === 'xhttp',
      message: 'must be raw, grpc or xhttp if security is reality',
    },
  ],
);

const Destination = z
  .string()
  .trim()
  .refine((text) => {
    const [, host, port] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
    return Host.safeParse(host).success && Number(port) >= 1 && Number(port) <= 65_535;
  }, 'must be host:port');

const server = z.strictObject({
  ...serverTls,
  // PEM for TLS, X25519 for Reality; `findMismatch` checks which, because the client part decides.
  privateKey: orNull(
    z
      .string()
      .max(20_000)
      .transform((key) => normalizePrivateKey(key) ?? key.trim()),
  ),
  shortIds: orElse(z.array(ShortId).max(100), []),
  destination: orNull(Destination),
});

type Client = z.output<typeof client>;
type Server = z.output<typeof server>;

/** Checks that both halves of Reality match; otherwise no app could connect. */
function findMismatch(forClients: Client, forServer: Server): ConfigMismatch | null {
  if (forClients.security !== 'reality') return findTlsMismatch(forServer);
  const privateKey = Key.safeParse(forServer.privateKey);
  if (!privateKey.success)
    return { field: 'privateKey', message: 'must be an X25519 key if security is reality' };
  if (publicKeyOf(privateKey.data) !== forClients.publicKey)
    return { field: 'privateKey', message: 'must match clientConfig.publicKey' };
  if (!forServer.shortIds.includes(required(forClients.shortId, 'short id of a Reality config')))
    return { field: 'shortIds', message: 'must contain clientConfig.shortId' };
  return null;
}

const TlsKeys = withRules(
  z.object({ certificate: serverTls.certificate, privateKey: serverTls.privateKey }),
  certificateRules,
);

function findTlsMismatch({ shortIds, destination, ...tls }: Server): ConfigMismatch | null {
  if (shortIds.length > 0) return { field: 'shortIds', message: 'requires security reality' };
  if (destination !== null) return { field: 'destination', message: 'requires security reality' };
  return TlsKeys.safeParse(tls).success
    ? null
    : {
        field: 'privateKey',
        message: 'must be the key of the certificate, in PEM format, and set together with it',
      };
}

/** DER prefix of an X25519 private key in PKCS #8. */
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');

function publicKeyOf(privateKey: string): string | undefined {
  const der = Buffer.concat([PKCS8_X25519, Buffer.from(privateKey, 'base64url')]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return createPublicKey(key).export({ format: 'jwk' }).x;
}

/**
 * The credential is the user's id. For Reality, apps also need the public key, one short id, and
 * the server name.
 */
export const vless = {
  client,
  server,
  needsServer: ({ security }) => security === 'reality',
  findMismatch,
  sharedSecrets: [],
} satisfies ProtocolConfig<Client, Server>;
