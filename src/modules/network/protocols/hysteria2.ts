import { z } from 'zod';
import { orNull } from '../../../platform/input.ts';
import { certificateRules, clientTls, serverTls, withRules } from './parts.ts';
import type { ProtocolConfig } from './protocol-config.ts';

const Ports = z
  .string()
  .regex(/^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/, 'must be ports and ranges, such as 443,20000-30000')
  .max(200)
  .refine(
    (ports) => (ports.match(/\d+/g) ?? []).every((port) => +port >= 1 && +port <= 65_535),
    'must be from 1 to 65535',
  );
const Mbps = z.number().int().min(1, 'must be at least 1').max(100_000, 'must be at most 100000');

/** As OpenSSL, browsers and other panels write it: `SHA256 Fingerprint=AB:CD:...`. */
const Fingerprint = z
  .string()
  .max(200)
  .transform((typed) => typed.replace(/^.*=|[:\s]/g, '').toLowerCase())
  .pipe(z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'));

const client = withRules(
  z.strictObject({
    serverName: clientTls.serverName,
    obfs: orNull(z.enum(['salamander'])),
    obfsPassword: orNull(z.string().min(4, 'must have at least 4 characters').max(200)),
    ports: orNull(Ports),
    upMbps: orNull(Mbps),
    downMbps: orNull(Mbps),
    certificateSha256: orNull(Fingerprint),
  }),
  [
    {
      field: 'obfsPassword',
      holds: ({ obfs, obfsPassword }) => (obfs === null) === (obfsPassword === null),
      message: 'must be set if and only if obfs is set',
    },
  ],
);

const server = withRules(
  z.strictObject({ ...serverTls, masquerade: orNull(z.url({ protocol: /^https?$/ }).max(500)) }),
  certificateRules,
);

/**
 * The credential is the user's password. The obfuscation password is shared by all users: apps get
 * it, but the audit log does not.
 */
export const hysteria2 = { client, server, sharedSecrets: ['obfsPassword'] } satisfies ProtocolConfig;
