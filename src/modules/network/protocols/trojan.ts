import { z } from 'zod';
import { certificateRules, clientTls, serverTls, transport, transportRules, withRules } from './parts.ts';
import type { ProtocolConfig } from './protocol-config.ts';

/** Always over TLS. The credential is the user's password. */
export const trojan = {
  client: withRules(z.strictObject({ ...clientTls, ...transport }), transportRules),
  server: withRules(z.strictObject(serverTls), certificateRules),
  sharedSecrets: [],
} satisfies ProtocolConfig;
