import type { Prisma } from '../../../generated/prisma/client.ts';
import { requestScope } from '../../../platform/request-scope.ts';
import type { DeviceLogin } from './device-login-input.ts';
import type { PresentedCredential } from './device-proof.ts';

/**
 * Columns that each login overwrites. Address and user agent come from the connection, never from
 * the input.
 */
export function lastLoginColumns({ platform, appVersion }: DeviceLogin) {
  const scope = requestScope();
  return {
    ...(platform && { platform }),
    ...(appVersion && { appVersion }),
    ip: scope?.ip ?? null,
    userAgent: scope?.userAgent ?? null,
  };
}

/** Columns that register a presented credential, to compare later logins with. */
export function credentialColumns(presented: PresentedCredential | null) {
  if (presented?.kind === 'secret') return { secretHash: presented.secretHash };
  if (presented?.kind === 'key') {
    return {
      publicKey: presented.publicKey as Prisma.InputJsonObject,
      keyThumbprint: presented.keyThumbprint,
    };
  }
  return {};
}
