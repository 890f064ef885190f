import type { z } from 'zod';

/** Why the two parts of a config do not fit together; `field` is one of the server's part. */
export interface Misfit {
  field: string;
  says: string;
}

/**
 * What a node of one protocol can be told. Both schemas are strict: a key that they do not have is
 * refused.
 */
export interface ProtocolConfig<Client = never, Server = never> {
  /** What apps are told: every key of it is public, and has a field in the type of the API. */
  client: z.ZodType;
  /** What only the agent is told, private keys included. */
  server: z.ZodType;
  /** Whether it cannot work without the server's part. */
  needsServer?: (client: Client) => boolean;
  /** What is wrong between two parts that are good by themselves. */
  misfit?: (client: Client, server: Server) => Misfit | null;
  /** Keys of the public part that apps must know and nobody else: not for the audit log. */
  sharedSecrets: readonly string[];
}
