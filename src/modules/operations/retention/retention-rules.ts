import type { ExpiredRows } from '../../../platform/jobs/delete-expired.ts';

/** How many days each kind of data is kept. Undefined means forever. */
export interface Retention {
  RETENTION_AUDIT_DAYS?: number | undefined;
  RETENTION_LOGINS_DAYS?: number | undefined;
  RETENTION_STAYS_DAYS?: number | undefined;
  RETENTION_TRAFFIC_REPORTS_DAYS?: number | undefined;
  RETENTION_UNSUCCESSFUL_ORDERS_DAYS?: number | undefined;
}

/** Days after which nothing reads the counts of wrong codes, which are limited per day. */
const WRONG_GUESSES_DAYS = 30;

const login = (table: string) => ({ table, key: 'id', column: 'expires_at' });

type Rule = Omit<ExpiredRows, 'keep'> & { days: (retention: Retention) => number | undefined };

/**
 * Decides what is deleted, and when. Finished orders and redemptions are always kept: they are why
 * a user cannot redeem a code twice.
 */
const RULES: readonly Rule[] = [
  ...['sessions', 'link_codes', 'pending_bindings'].map((table) => ({
    name: `forget-${table.replace('_', '-')}`,
    days: ({ RETENTION_LOGINS_DAYS }: Retention) => RETENTION_LOGINS_DAYS,
    ...login(table),
  })),
  {
    name: 'forget-traffic-reports',
    days: ({ RETENTION_TRAFFIC_REPORTS_DAYS }) => RETENTION_TRAFFIC_REPORTS_DAYS,
    ...{ table: 'traffic_reports', key: 'server_id, boot_id, sequence', column: 'received_at' },
  },
  {
    name: 'forget-stays',
    days: ({ RETENTION_STAYS_DAYS }) => RETENTION_STAYS_DAYS,
    ...{ table: 'device_stays', key: 'id', column: 'ended_at' },
  },
  {
    name: 'forget-wrong-guesses',
    days: () => WRONG_GUESSES_DAYS,
    ...{ table: 'wrong_guesses', key: 'user_id, day', column: 'day' },
  },
  {
    name: 'forget-unsuccessful-orders',
    days: ({ RETENTION_UNSUCCESSFUL_ORDERS_DAYS }) => RETENTION_UNSUCCESSFUL_ORDERS_DAYS,
    ...{ table: 'orders', key: 'id', column: 'finished_at', only: "status IN ('FAILED', 'CLOSED')" },
    dependents: { table: 'inherited_redemptions', column: 'order_id' },
  },
  {
    name: 'forget-audit-entries',
    days: ({ RETENTION_AUDIT_DAYS }) => RETENTION_AUDIT_DAYS,
    ...{ table: 'audit_entries', key: 'id', column: 'created_at' },
  },
];

/** The rows to delete of each kind that is not kept forever. */
export const expiredRows = (retention: Retention): ExpiredRows[] =>
  RULES.flatMap(({ days, ...rows }) => {
    const kept = days(retention);
    return kept === undefined ? [] : [{ ...rows, keep: `${kept} days` }];
  });
