import { randomBytes, randomUUID } from 'node:crypto';

/**
 * Generates the secrets of a subscription: a token (32 base64url characters) that identifies it to
 * programs without a login, and a credential (a UUID) that its user presents to nodes.
 */
export function newCredentials(): { token: string; credential: string } {
  return { token: randomBytes(24).toString('base64url'), credential: randomUUID() };
}
