import type { Device } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import { readSiteSettings } from '../../catalog/site/read-site-settings.ts';
import { readDeviceLimit } from '../../identity/device/device-limit.ts';
import { countLogins } from '../../identity/history/count-logins.ts';
import { limitFailedAttempts } from '../../network/server/limit-failed-attempts.ts';
import type { OwnAddresses } from '../../network/server/own-addresses.ts';
import type { MergeDecision } from '../../subscription/decide-merge.ts';
import { readMoves } from '../account/merge-accounts.ts';
import { type BindingIntent, findPendingBinding } from './binding-confirmation.ts';

/** A binding that waits for confirmation, as the user is asked about it. */
export interface PendingBindingDetails {
  /** Null is unlimited. */
  deviceLimit: number | null;
  /** The newest devices of the target account, at most 100; one of them can be replaced. */
  devices: Device[];
  moves: MergeDecision[];
}

const MAX_LISTED = 100;

/** Tokens have 256 random bits. The limit only keeps failed attempts cheap. */
const WRONG_TOKENS: RateLimit = { name: 'wrong-confirmation-token', points: 100, durationSeconds: 600 };

/**
 * Returns what a confirmation token would confirm: the devices that can be replaced, and the
 * subscriptions that would move with their resulting expiry and traffic limit. Needs no login, as
 * the token itself authorizes the read.
 *
 * @throws PlatformError NOT_FOUND for a token that is unknown, used or older than five minutes;
 *   RATE_LIMITED after 100 of these from one address
 */
export function getPendingBinding(
  services: Pick<Services, 'db' | 'rateLimits'> & { ownAddresses: OwnAddresses },
  token: string,
): Promise<PendingBindingDetails> {
  const counted = { limit: WRONG_TOKENS, refusal: 'NOT_FOUND' };
  return limitFailedAttempts(services, counted, () => readPendingBinding(services, token));
}

async function readPendingBinding(
  services: Pick<Services, 'db'>,
  token: string,
): Promise<PendingBindingDetails> {
  const { db } = services;
  const site = await readSiteSettings(services);
  return db.$transaction(
    async (tx) => {
      const intent = await findPendingBinding(tx, token);
      if (!intent) throw new PlatformError('NOT_FOUND');
      const { targetUserId } = intent;
      const moves = await readIntendedMoves(tx, intent);
      if (targetUserId === null) return { deviceLimit: site.deviceLimit, devices: [], moves };
      return {
        deviceLimit: await readDeviceLimit(tx, { userId: targetUserId, site }),
        devices: await tx.device.findMany({
          where: { userId: targetUserId },
          orderBy: { id: 'desc' },
          take: MAX_LISTED,
        }),
        moves,
      };
    },
    { isolationLevel: 'RepeatableRead' },
  );
}

/** Subscriptions move only if the device is the last identity of its account. */
async function readIntendedMoves(
  tx: Transaction,
  { identifier, targetUserId }: BindingIntent,
): Promise<MergeDecision[]> {
  const identity = await tx.identity.findUnique({
    where: { type_value: { type: 'DEVICE', value: identifier } },
  });
  if (!identity || identity.userId === targetUserId) return [];
  if ((await countLogins(tx, identity.userId)) > 1) return [];
  return readMoves(tx, { fromId: identity.userId, intoId: targetUserId ?? NEW_ACCOUNT_ID });
}

/** Matches no user: an account that does not exist yet has no subscriptions. */
const NEW_ACCOUNT_ID = '00000000-0000-0000-0000-000000000000';
