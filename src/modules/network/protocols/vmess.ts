import { z } from 'zod';
import { orElse } from '../../../platform/input.ts';
import { certificateRules, clientTls, serverTls, transport, transportRules, withRules } from './parts.ts';
import type { ProtocolConfig } from './protocol-config.ts';

const client = withRules(
  z.strictObject({
    security: z.enum(['auto', 'aes-128-gcm', 'chacha20-poly1305', 'none', 'zero']),
    tls: orElse(z.boolean(), false),
    ...clientTls,
    ...transport,
  }),
  [
    ...transportRules,
    {
      field: 'serverName',
      holds: ({ tls, serverName }) => tls || serverName === null,
      message: 'requires tls',
    },
  ],
);

/** The credential is the user's id. */
export const vmess = {
  client,
  server: withRules(z.strictObject(serverTls), certificateRules),
  sharedSecrets: [],
} satisfies ProtocolConfig;
