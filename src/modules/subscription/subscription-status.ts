import { Prisma, type SubscriptionStatus, type UserSubscription } from '../../generated/prisma/client.ts';

/** Derives the status of a subscription that is not stopped from its expiry and its traffic. */
export function deriveStatus(
  {
    expiresAt,
    trafficLimit,
    upload,
    download,
  }: Pick<UserSubscription, 'expiresAt' | 'trafficLimit' | 'upload' | 'download'>,
  now: Date,
): SubscriptionStatus {
  if (expiresAt !== null && expiresAt <= now) return 'EXPIRED';
  return trafficLimit !== null && upload + download >= trafficLimit ? 'EXHAUSTED' : 'ACTIVE';
}

/**
 * Reports EXPIRED as soon as `expiresAt` has passed, even if the sweep has not updated the row yet.
 */
export function withCurrentStatus<Row extends Pick<UserSubscription, 'status' | 'expiresAt'>>(
  subscription: Row,
  now: Date,
): Row {
  const { status, expiresAt } = subscription;
  const isOver = expiresAt !== null && expiresAt <= now;
  return isOver && status !== 'STOPPED' ? { ...subscription, status: 'EXPIRED' } : subscription;
}

/** A unique index allows each user one open subscription per plan. */
export const OPEN_STATUSES: readonly SubscriptionStatus[] = ['ACTIVE', 'EXHAUSTED'];

export function isOpen({ status }: { status: SubscriptionStatus }): boolean {
  return OPEN_STATUSES.includes(status);
}

/** Open and not past its expiry. */
export function isLive(
  { status, expiresAt }: Pick<UserSubscription, 'status' | 'expiresAt'>,
  now: Date,
): boolean {
  return isOpen({ status }) && (expiresAt === null || expiresAt > now);
}

/**
 * `isOpen` as SQL. The statuses are part of the text because PostgreSQL cannot match a partial
 * index with parameters.
 *
 * @param alias of `user_subscriptions`, needed if other tables have the same columns
 */
export function isOpenSql(alias?: string): Prisma.Sql {
  return Prisma.sql`${column(alias, 'status')} IN ('ACTIVE', 'EXHAUSTED')`;
}

/** `isLive` as SQL. */
export function isLiveSql(alias?: string): Prisma.Sql {
  const expiresAt = column(alias, 'expires_at');
  return Prisma.sql`${isOpenSql(alias)} AND (${expiresAt} IS NULL OR ${expiresAt} > tessera_now())`;
}

/** Open, although `expires_at` has passed: the sweep has not updated the status yet. */
export function isOverdueSql(alias?: string): Prisma.Sql {
  return Prisma.sql`${isOpenSql(alias)} AND ${column(alias, 'expires_at')} <= tessera_now()`;
}

const column = (alias: string | undefined, name: string) => Prisma.raw(alias ? `${alias}.${name}` : name);
