import type { Services } from '../../../platform/services.ts';
import type { DeviceLogin } from '../../identity/device-proof/device-login.ts';
import { type ShownProof, showProof } from '../../identity/device-proof/device-proof.ts';
import { auditingWrongProofs } from './log-in-device.ts';

/** A device that comes with a login by e-mail, and what it shows of itself. */
export interface ShownDevice {
  login: DeviceLogin;
  proof: ShownProof | null;
}

/** Checks what the device shows, then does the work with it; a wrong proof is audited, wherever it is found out. */
export function showDevice<Result>(
  services: Pick<Services, 'db' | 'rateLimits' | 'secrets'>,
  login: DeviceLogin | null | undefined,
  work: (shown: ShownDevice | null) => Promise<Result>,
): Promise<Result> {
  if (!login) return work(null);
  return auditingWrongProofs(services, login, async () =>
    work({ login, proof: await showProof(services, login) }),
  );
}
