import type { Prisma } from '../../../generated/prisma/client.ts';
import { requestScope } from '../../../platform/request-scope.ts';
import type { DeviceLogin } from './device-login.ts';
import type { ShownProof } from './device-proof.ts';

/** What every login tells anew; address and user agent are the connection's, never the input's. */
export function seenFields({ platform, appVersion }: DeviceLogin) {
  const scope = requestScope();
  return {
    ...(platform && { platform }),
    ...(appVersion && { appVersion }),
    ip: scope?.ip ?? null,
    userAgent: scope?.userAgent ?? null,
  };
}

/** What is kept of a proof, to hold the next one against. */
export function credentialFields(proof: ShownProof | null) {
  if (proof?.kind === 'secret') return { secretHash: proof.secretHash };
  if (proof?.kind === 'key') {
    return { publicKey: proof.publicKey as Prisma.InputJsonObject, keyThumbprint: proof.keyThumbprint };
  }
  return {};
}
