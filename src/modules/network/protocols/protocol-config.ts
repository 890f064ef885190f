import type { z } from 'zod';

/** A conflict between the two parts of a config. `field` is a key of the agent's part. */
export interface ConfigMismatch {
  field: string;
  message: string;
}

/** The configuration of one protocol. Both schemas are strict: unknown keys are rejected. */
export interface ProtocolConfig<Client = never, Server = never> {
  /** The part that apps get. Every key is public, and is a field of the protocol's GraphQL type. */
  client: z.ZodType;
  /** The part that only the agent gets, private keys included. */
  server: z.ZodType;
  /** Whether the protocol cannot work without the agent's part. */
  needsServer?: (client: Client) => boolean;
  /** Checks the two parts against each other, once each is valid by itself. */
  findMismatch?: (client: Client, server: Server) => ConfigMismatch | null;
  /** Public keys that are shared secrets of all users; masked in the audit log. */
  sharedSecrets: readonly string[];
}
