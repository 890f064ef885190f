import { z } from 'zod';
import { orElse } from '../../../platform/input.ts';
import { certificateRules, clientTls, serverTls, withRules } from './parts.ts';
import type { ProtocolConfig } from './protocol-config.ts';

const PaddingLine = z.string().regex(/^[\w=,-]{1,200}$/, 'must be a line such as stop=8 or 1=100-400');

/** Always over TLS. The credential is the user's password. */
export const anytls = {
  client: z.strictObject(clientTls),
  server: withRules(
    z.strictObject({ ...serverTls, paddingScheme: orElse(z.array(PaddingLine).max(50), []) }),
    certificateRules,
  ),
  sharedSecrets: [],
} satisfies ProtocolConfig;
