import { z } from 'zod';
import { orNull } from '../../../platform/input.ts';
import { certificateRules, tlsOfClient, tlsOfServer, withRules } from './parts.ts';
import type { ProtocolConfig } from './protocol-config.ts';

const Ports = z
  .string()
  .regex(/^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/, 'must be ports and ranges, as 20000-30000')
  .max(200)
  .refine(
    (ports) => (ports.match(/\d+/g) ?? []).every((port) => +port >= 1 && +port <= 65_535),
    'must be ports',
  );
const Mbps = z.number().int().min(1, 'must be at least 1').max(100_000, 'must be at most 100000');

const client = withRules(
  z.strictObject({
    serverName: tlsOfClient.serverName,
    obfs: orNull(z.enum(['salamander'])),
    obfsPassword: orNull(z.string().min(4, 'must have at least 4 characters').max(200)),
    ports: orNull(Ports),
    upMbps: orNull(Mbps),
    downMbps: orNull(Mbps),
    certificateSha256: orNull(z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits')),
  }),
  [
    {
      field: 'obfsPassword',
      holds: ({ obfs, obfsPassword }) => (obfs === null) === (obfsPassword === null),
      says: 'is for obfs, which needs it',
    },
  ],
);

const server = withRules(
  z.strictObject({ ...tlsOfServer, masquerade: orNull(z.url({ protocol: /^https?$/ }).max(500)) }),
  certificateRules,
);

/**
 * Users show the credential as their password; the password of the obfuscation is one for all, so
 * apps are told it.
 */
export const hysteria2 = { client, server, sharedSecrets: ['obfsPassword'] } satisfies ProtocolConfig;
