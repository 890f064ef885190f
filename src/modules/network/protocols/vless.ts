import { createPrivateKey, createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { orElse, orNull } from '../../../platform/input.ts';
import {
  certificateRules,
  Host,
  tlsOfClient,
  tlsOfServer,
  transport,
  transportRules,
  withRules,
} from './parts.ts';
import type { Misfit, ProtocolConfig } from './protocol-config.ts';

const Key = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'must be an X25519 key: 43 characters of base64url');
const ShortId = z.string().regex(/^([0-9a-f]{2}){0,8}$/, 'must be up to 16 hexadecimal digits, in pairs');

const client = withRules(
  z.strictObject({
    security: z.enum(['none', 'tls', 'reality']),
    // Many a panel writes no flow as an empty text.
    flow: z
      .enum(['', 'xtls-rprx-vision'])
      .nullish()
      .transform((flow) => flow || null),
    publicKey: orNull(Key),
    shortId: orNull(ShortId),
    ...tlsOfClient,
    ...transport,
  }),
  [
    ...transportRules,
    {
      field: 'serverName',
      holds: ({ security, serverName }) =>
        security === 'tls' || (security === 'reality') === (serverName !== null),
      says: 'is for TLS and for Reality, which needs one',
    },
    {
      field: 'publicKey',
      holds: ({ security, publicKey }) => (security === 'reality') === (publicKey !== null),
      says: 'is for Reality, which needs it',
    },
    {
      field: 'shortId',
      holds: ({ security, shortId }) => (security === 'reality') === (shortId !== null),
      says: 'is for Reality, which needs one (it may be an empty text)',
    },
    {
      field: 'flow',
      holds: ({ flow, security, network }) => flow === null || (security !== 'none' && network === 'tcp'),
      says: 'is for tcp under TLS or Reality',
    },
    {
      field: 'network',
      holds: ({ security, network }) => security !== 'reality' || network === 'tcp' || network === 'grpc',
      says: 'must be tcp or grpc with Reality',
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
  ...tlsOfServer,
  // A PEM key for TLS, an X25519 key for Reality: which of them, the public part decides.
  privateKey: orNull(z.string().max(20_000)),
  shortIds: orElse(z.array(ShortId).max(100), []),
  destination: orNull(Destination),
});

type Client = z.output<typeof client>;
type Server = z.output<typeof server>;

/** The two halves of Reality belong together, or no app would ever get through. */
function misfit(forClients: Client, forServer: Server): Misfit | null {
  if (forClients.security !== 'reality') return misfitOfTls(forServer);
  const { privateKey, shortIds } = forServer;
  if (!Key.safeParse(privateKey).success)
    return { field: 'privateKey', says: 'must be an X25519 key for Reality' };
  if (publicHalf(privateKey ?? '') !== forClients.publicKey)
    return { field: 'privateKey', says: 'does not belong to the public key' };
  if (!shortIds.includes(forClients.shortId ?? ''))
    return { field: 'shortIds', says: 'must have the short id that apps are told' };
  return null;
}

const TlsKeys = withRules(
  z.object({ certificate: tlsOfServer.certificate, privateKey: tlsOfServer.privateKey }),
  certificateRules,
);

function misfitOfTls({ shortIds, destination, ...tls }: Server): Misfit | null {
  if (shortIds.length > 0) return { field: 'shortIds', says: 'is for Reality' };
  if (destination !== null) return { field: 'destination', says: 'is for Reality' };
  return TlsKeys.safeParse(tls).success
    ? null
    : { field: 'privateKey', says: 'must be PEM and go with a certificate' };
}

/** What DER has in front of an X25519 private key. */
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');

function publicHalf(privateKey: string): string | undefined {
  const der = Buffer.concat([PKCS8_X25519, Buffer.from(privateKey, 'base64url')]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return createPublicKey(key).export({ format: 'jwk' }).x;
}

/**
 * Users show the credential as their id. With Reality apps need the public key, one short id and
 * the name to ask for.
 */
export const vless = {
  client,
  server,
  needsServer: ({ security }) => security === 'reality',
  misfit,
  sharedSecrets: [],
} satisfies ProtocolConfig<Client, Server>;
