import { Prisma, type Role } from '../../generated/prisma/client.ts';

/**
 * Matches live sessions. Expects the aliases `s` (session), `u` (its user) and `d` (its device,
 * outer-joined).
 */
export const SESSION_LIVES = Prisma.sql`s.revoked_at IS NULL AND s.expires_at > tessera_now()
  AND u.enabled AND u.deleted_at IS NULL AND d.enabled IS NOT FALSE`;

/**
 * The role of a session. Sessions of devices have the role USER even if their account is an admin:
 * a device proves itself with a credential that a password reset does not change, and it may have
 * joined by a link code.
 */
export const roleOfSession = (accountRole: Role, deviceId: string | null): Role =>
  deviceId === null ? accountRole : 'USER';
