import { z } from 'zod';
import { certificateRules, tlsOfClient, tlsOfServer, transport, transportRules, withRules } from './parts.ts';
import type { ProtocolConfig } from './protocol-config.ts';

/** Always under TLS. Users show the credential as their password. */
export const trojan = {
  client: withRules(z.strictObject({ ...tlsOfClient, ...transport }), transportRules),
  server: withRules(z.strictObject(tlsOfServer), certificateRules),
  sharedSecrets: [],
} satisfies ProtocolConfig;
