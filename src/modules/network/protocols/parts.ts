import { isIP } from 'node:net';
import { z } from 'zod';
import { orElse, orNull, orUnchanged } from '../../../platform/input.ts';
import { isPair, normalizeCertificates, normalizePrivateKey } from './pem.ts';

const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i;

/** A host name or an IP address. */
export const Host = z
  .string()
  .trim()
  .refine((host) => isIP(host) !== 0 || HOST_NAME.test(host), 'must be a host name or an IP address');

const text = (maxLength: number) =>
  z.string().min(1, 'must not be empty').max(maxLength, `must have at most ${maxLength} characters`);

/** TLS settings of apps. */
export const clientTls = {
  serverName: orNull(Host),
  alpn: orElse(z.array(z.enum(['h3', 'h2', 'http/1.1'])).max(3), []),
  fingerprint: orNull(
    z.enum(['chrome', 'firefox', 'safari', 'ios', 'android', 'edge', 'random', 'randomized']),
  ),
};

const NETWORKS = ['tcp', 'ws', 'grpc', 'httpupgrade', 'xhttp'] as const;

/** Further names of the same transports in configurations of Xray. */
const NETWORK_ALIASES: Readonly<Record<string, string>> = { raw: 'tcp', splithttp: 'xhttp', websocket: 'ws' };

const Network = z
  .string()
  .transform((name) => NETWORK_ALIASES[name] ?? name)
  .pipe(z.enum(NETWORKS, `must be raw (or tcp), ${NETWORKS.slice(1).join(', ')}; others are not supported`));

/** Transport settings, for protocols that support several transports. */
export const transport = {
  network: orElse(Network, 'tcp'),
  path: orNull(text(500).regex(/^\/[\x21-\x7e]*$/, 'must start with a slash and have no spaces')),
  host: orNull(Host),
  serviceName: orNull(text(200).regex(/^[\x21-\x7e]+$/, 'must have no spaces')),
  // Not stored unless it is set: processes of earlier versions reject keys that they don't know.
  mode: orUnchanged(z.enum(['auto', 'packet-up', 'stream-up', 'stream-one'])),
};

interface Transport {
  network: (typeof NETWORKS)[number];
  path: string | null;
  host: string | null;
  serviceName: string | null;
  mode?: string | undefined;
}

const isHttp = ({ network }: Transport) => network !== 'tcp' && network !== 'grpc';

/** Settings of another transport are rejected: clients would silently ignore them. */
export const transportRules: Rule<Transport>[] = [
  {
    field: 'path',
    holds: (config) => config.path === null || isHttp(config),
    message: 'requires network ws, httpupgrade or xhttp',
  },
  {
    field: 'mode',
    holds: ({ mode, network }) => mode === undefined || network === 'xhttp',
    message: 'requires network xhttp',
  },
  {
    field: 'host',
    holds: (config) => config.host === null || isHttp(config),
    message: 'requires network ws, httpupgrade or xhttp',
  },
  {
    field: 'serviceName',
    holds: ({ network, serviceName }) => (network === 'grpc') === (serviceName !== null),
    message: 'must be set if and only if network is grpc',
  },
];

/** A condition between the fields of a config, and the field to report when it does not hold. */
export interface Rule<Config> {
  field: string;
  holds: (config: Config) => boolean;
  message: string;
}

/** Adds rules to a schema. They are checked once every field is valid by itself. */
export function withRules<Schema extends z.ZodType>(
  schema: Schema,
  rules: readonly Rule<z.output<Schema>>[],
): Schema {
  return schema.superRefine((config, issues) => {
    for (const { field, holds, message } of rules) {
      if (!holds(config)) issues.addIssue({ code: 'custom', path: [field], message });
    }
  });
}

/** Text in PEM, in the form that programs read: without what others write around it. */
const pem = (label: string, normalize: (text: string) => string | undefined) =>
  text(20_000).transform((typed, context) => {
    const normal = normalize(typed);
    if (normal !== undefined) return normal;
    context.addIssue({ code: 'custom', message: `must be a ${label} in PEM format` });
    return z.NEVER;
  });

/** The address to listen on; a setting of every protocol. */
const listener = { listen: orNull(Host) };

/** TLS settings of agents. All are optional, because the agent may obtain a certificate itself. */
export const serverTls = {
  ...listener,
  certificate: orNull(pem('certificate', normalizeCertificates)),
  privateKey: orNull(pem('private key, not encrypted,', normalizePrivateKey)),
};

export const certificateRules: Rule<{ certificate: string | null; privateKey: string | null }>[] = [
  {
    field: 'privateKey',
    holds: ({ certificate, privateKey }) => (certificate === null) === (privateKey === null),
    message: 'must be set together with certificate',
  },
  {
    field: 'privateKey',
    holds: ({ certificate, privateKey }) =>
      certificate === null || privateKey === null || isPair(certificate, privateKey),
    message: 'must be the key of the certificate, which comes first in a chain',
  },
];

/** The agent's part of protocols without private settings. */
export const plainServer = z.strictObject(listener);

/** Base64 that decodes to exactly `bytes` bytes. */
export const base64Of = (bytes: number) =>
  z.string().refine((value) => {
    const decoded = Buffer.from(value, 'base64');
    return decoded.length === bytes && decoded.toString('base64') === value;
  }, `must be base64 of ${bytes} bytes`);
