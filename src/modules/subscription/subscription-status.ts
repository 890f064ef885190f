import { Prisma, type SubscriptionStatus, type UserSubscription } from '../../generated/prisma/client.ts';

/** What a subscription that nobody has stopped is, by its time and its traffic. */
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

/** EXPIRED is true by the clock, before any sweep has written it down. */
export function withCurrentStatus<Row extends Pick<UserSubscription, 'status' | 'expiresAt'>>(
  subscription: Row,
  now: Date,
): Row {
  const { status, expiresAt } = subscription;
  const isOver = expiresAt !== null && expiresAt <= now;
  return isOver && status !== 'STOPPED' ? { ...subscription, status: 'EXPIRED' } : subscription;
}

/** Neither over nor stopped: of these a user has one for each plan. */
export const OPEN_STATUSES: readonly SubscriptionStatus[] = ['ACTIVE', 'EXHAUSTED'];

export function isOpen({ status }: { status: SubscriptionStatus }): boolean {
  return OPEN_STATUSES.includes(status);
}

/** Live: open, and not past its expiry. */
export function isLive(
  { status, expiresAt }: Pick<UserSubscription, 'status' | 'expiresAt'>,
  now: Date,
): boolean {
  return isOpen({ status }) && (expiresAt === null || expiresAt > now);
}

/**
 * The same in SQL. The statuses are part of the text, not parameters: otherwise partial indexes would not be used.
 *
 * @param alias of `user_subscriptions`; needed where other tables have the same columns
 */
export function isOpenSql(alias?: string): Prisma.Sql {
  return Prisma.sql`${column(alias, 'status')} IN ('ACTIVE', 'EXHAUSTED')`;
}

/** Live: open, and not past its expiry. */
export function isLiveSql(alias?: string): Prisma.Sql {
  const expiresAt = column(alias, 'expires_at');
  return Prisma.sql`${isOpenSql(alias)} AND (${expiresAt} IS NULL OR ${expiresAt} > tessera_now())`;
}

/** Past its expiry, although no sweep has updated its status yet. */
export function isOverdueSql(alias?: string): Prisma.Sql {
  return Prisma.sql`${isOpenSql(alias)} AND ${column(alias, 'expires_at')} <= tessera_now()`;
}

const column = (alias: string | undefined, name: string) => Prisma.raw(alias ? `${alias}.${name}` : name);
