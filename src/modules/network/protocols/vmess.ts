import { z } from 'zod';
import { orElse } from '../../../platform/input.ts';
import { certificateRules, tlsOfClient, tlsOfServer, transport, transportRules, withRules } from './parts.ts';
import type { ProtocolConfig } from './protocol-config.ts';

const client = withRules(
  z.strictObject({
    security: z.enum(['auto', 'aes-128-gcm', 'chacha20-poly1305', 'none', 'zero']),
    tls: orElse(z.boolean(), false),
    ...tlsOfClient,
    ...transport,
  }),
  [
    ...transportRules,
    {
      field: 'serverName',
      holds: ({ tls, serverName }) => tls || serverName === null,
      says: 'is for connections under TLS',
    },
  ],
);

/** Users show the credential as their id. */
export const vmess = {
  client,
  server: withRules(z.strictObject(tlsOfServer), certificateRules),
  sharedSecrets: [],
} satisfies ProtocolConfig;
