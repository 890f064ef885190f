import { randomBytes, randomUUID } from 'node:crypto';

/** A new token (32 base64url characters) and a new credential (a UUID, used at the nodes) for a subscription. */
export function newCredentials(): { token: string; credential: string } {
  return { token: randomBytes(24).toString('base64url'), credential: randomUUID() };
}
