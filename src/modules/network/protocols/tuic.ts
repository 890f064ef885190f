import { z } from 'zod';
import { orElse } from '../../../platform/input.ts';
import { certificateRules, clientTls, serverTls, withRules } from './parts.ts';
import type { ProtocolConfig } from './protocol-config.ts';

/** Version 5, over QUIC. The credential is both the user's id and the password. */
export const tuic = {
  client: z.strictObject({
    serverName: clientTls.serverName,
    alpn: clientTls.alpn,
    congestionControl: orElse(z.enum(['bbr', 'cubic', 'new_reno']), 'bbr'),
    udpRelayMode: orElse(z.enum(['native', 'quic']), 'native'),
  }),
  server: withRules(z.strictObject(serverTls), certificateRules),
  sharedSecrets: [],
} satisfies ProtocolConfig;
