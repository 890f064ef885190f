import type { Session } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import { startSession } from '../../identity/session/start-session.ts';
import { type Binding, type BoundDevice, bindDevice } from './bind-device.ts';

/** A bound device and the session of its login. */
export type BoundSession = BoundDevice & { session: Session };

/**
 * Binds the device and starts its session, inside the transaction of a login.
 *
 * @throws the errors of `bindDevice`
 */
export async function bindAndStartSession(
  tx: Transaction,
  secrets: Secrets,
  binding: Binding,
): Promise<BoundSession> {
  const bound = await bindDevice(tx, secrets, binding);
  const { session, endedSessionIds } = await startSession(tx, {
    userId: binding.targetUserId,
    deviceId: bound.device.id,
  });
  return { ...bound, session, endedSessionIds: [...bound.endedSessionIds, ...endedSessionIds] };
}
