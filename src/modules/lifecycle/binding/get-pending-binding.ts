import type { Device } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import { readSiteSettings } from '../../catalog/site/read-site-settings.ts';
import { readDeviceLimit } from '../../identity/device/device-limit.ts';
import { limitFailedAttempts } from '../../network/server/limit-failed-attempts.ts';
import type { SubscriptionMove } from '../../subscription/decide-merge.ts';
import { readMoves } from '../account/merge-accounts.ts';
import { type BindingQuestion, readDecision } from './binding-confirmation.ts';

/** What a binding that waits for a decision is about. */
export interface PendingBinding {
  /** Null is unlimited. */
  deviceLimit: number | null;
  /** The devices of the account, one of which may be replaced. */
  devices: Device[];
  moves: SubscriptionMove[];
}

/** Nobody guesses 256 bits; this keeps those who try from costing us anything. */
const WRONG_TOKENS: RateLimit = { name: 'wrong-confirmation-token', points: 100, durationSeconds: 600 };

/**
 * Shows what DEVICE_LIMIT_REACHED or DEVICE_BOUND_ELSEWHERE ask to decide, to whoever has the token: the devices to
 * choose from, and the subscriptions that would move with what they would become.
 *
 * @throws PlatformError NOT_FOUND for a token that is none of ours, used or older than five minutes; RATE_LIMITED after
 *   many of those
 */
export function getPendingBinding(
  services: Pick<Services, 'db' | 'rateLimits'>,
  token: string,
): Promise<PendingBinding> {
  const counted = { limit: WRONG_TOKENS, refusal: 'NOT_FOUND' };
  return limitFailedAttempts(services, counted, () => readPendingBinding(services, token));
}

async function readPendingBinding(services: Pick<Services, 'db'>, token: string): Promise<PendingBinding> {
  const { db } = services;
  const site = await readSiteSettings(services);
  return db.$transaction(
    async (tx) => {
      const question = await readDecision(tx, token);
      if (!question) throw new PlatformError('NOT_FOUND');
      const { targetUserId } = question;
      const moves = await movesOf(tx, question);
      if (targetUserId === null) return { deviceLimit: site.deviceLimit, devices: [], moves };
      return {
        deviceLimit: await readDeviceLimit(tx, { userId: targetUserId, site }),
        devices: await tx.device.findMany({ where: { userId: targetUserId }, orderBy: { id: 'desc' } }),
        moves,
      };
    },
    { isolationLevel: 'RepeatableRead' },
  );
}

/** An account moves when the device is the last way into it. */
async function movesOf(
  tx: Transaction,
  { identifier, targetUserId }: BindingQuestion,
): Promise<SubscriptionMove[]> {
  const identity = await tx.identity.findUnique({
    where: { type_value: { type: 'DEVICE', value: identifier } },
  });
  if (!identity || identity.userId === targetUserId) return [];
  if ((await tx.identity.count({ where: { userId: identity.userId } })) > 1) return [];
  return readMoves(tx, { fromId: identity.userId, intoId: targetUserId ?? NOBODY });
}

/** An account that does not exist yet has no subscriptions. */
const NOBODY = '00000000-0000-0000-0000-000000000000';
