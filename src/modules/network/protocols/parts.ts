import { isIP } from 'node:net';
import { z } from 'zod';
import { orElse, orNull } from '../../../platform/input.ts';

const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i;

/** A host name or an IP address. */
export const Host = z
  .string()
  .trim()
  .refine((host) => isIP(host) !== 0 || HOST_NAME.test(host), 'must be a host name or an IP address');

const text = (most: number) =>
  z.string().min(1, 'must not be empty').max(most, `must have at most ${most} characters`);

/** What is common to connections under TLS, as a client sees them. */
export const tlsOfClient = {
  serverName: orNull(Host),
  alpn: orElse(z.array(z.enum(['h3', 'h2', 'http/1.1'])).max(3), []),
  fingerprint: orNull(
    z.enum(['chrome', 'firefox', 'safari', 'ios', 'android', 'edge', 'random', 'randomized']),
  ),
};

/** How bytes are carried, for protocols that can be carried in several ways. */
export const transport = {
  network: orElse(z.enum(['tcp', 'ws', 'grpc', 'httpupgrade']), 'tcp'),
  path: orNull(text(500).regex(/^\/[\x21-\x7e]*$/, 'must begin with a slash and have no spaces')),
  host: orNull(Host),
  serviceName: orNull(text(200).regex(/^[\x21-\x7e]+$/, 'must have no spaces')),
};

interface Transport {
  network: 'tcp' | 'ws' | 'grpc' | 'httpupgrade';
  path: string | null;
  host: string | null;
  serviceName: string | null;
}

const isHttp = ({ network }: Transport) => network === 'ws' || network === 'httpupgrade';

/**
 * What does not belong to the way in which bytes are carried would be ignored by clients: better to
 * say so.
 */
export const transportRules: Rule<Transport>[] = [
  {
    field: 'path',
    holds: (config) => config.path === null || isHttp(config),
    says: 'is for ws and httpupgrade',
  },
  {
    field: 'host',
    holds: (config) => config.host === null || isHttp(config),
    says: 'is for ws and httpupgrade',
  },
  {
    field: 'serviceName',
    holds: ({ network, serviceName }) => (network === 'grpc') === (serviceName !== null),
    says: 'is for grpc, which needs it',
  },
];

/**
 * What must hold between the fields of a config, and which of them is at fault when it does not.
 */
export interface Rule<Config> {
  field: string;
  holds: (config: Config) => boolean;
  says: string;
}

/** The schema with rules between its fields, looked at once each field is good by itself. */
export function withRules<Schema extends z.ZodType>(
  schema: Schema,
  rules: readonly Rule<z.output<Schema>>[],
): Schema {
  return schema.superRefine((config, issues) => {
    for (const { field, holds, says } of rules) {
      if (!holds(config)) issues.addIssue({ code: 'custom', path: [field], message: says });
    }
  });
}

const pem = (what: string) =>
  text(20_000).regex(
    new RegExp(`^-----BEGIN [A-Z ]*${what}-----[\\s\\S]+-----END [A-Z ]*${what}-----\\s*$`),
    'must be PEM',
  );

/** What every agent may be told beside the public part. */
const listener = { listen: orNull(Host) };

/** Of a server whose agent may find its certificate itself: nothing must be given. */
export const tlsOfServer = {
  ...listener,
  certificate: orNull(pem('CERTIFICATE')),
  privateKey: orNull(pem('PRIVATE KEY')),
};

export const certificateRules: Rule<{ certificate: string | null; privateKey: string | null }>[] = [
  {
    field: 'privateKey',
    holds: ({ certificate, privateKey }) => (certificate === null) === (privateKey === null),
    says: 'goes with a certificate, and a certificate with it',
  },
];

/** Of a server that has nothing to hide. */
export const plainServer = z.strictObject(listener);

/** Base64 of so many bytes. */
export const base64Of = (bytes: number) =>
  z.string().refine((value) => {
    const decoded = Buffer.from(value, 'base64');
    return decoded.length === bytes && decoded.toString('base64') === value;
  }, `must be base64 of ${bytes} bytes`);
