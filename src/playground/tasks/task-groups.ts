/** A folder of operations/. */
export interface TaskGroup {
  folder: string;
  title: string;
  /** The callers who see it. ACCOUNT includes admins; PUBLIC needs no sign-in. */
  audience: 'ADMIN' | 'AGENT' | 'ACCOUNT' | 'PUBLIC';
}

/** The groups in display order. */
export const TASK_GROUPS: readonly TaskGroup[] = [
  { folder: 'overview', title: 'Overview', audience: 'ADMIN' },
  { folder: 'customers', title: 'Customers', audience: 'ADMIN' },
  { folder: 'orders', title: 'Orders', audience: 'ADMIN' },
  { folder: 'codes', title: 'Codes', audience: 'ADMIN' },
  { folder: 'devices', title: 'Devices', audience: 'ADMIN' },
  { folder: 'plans', title: 'Plans', audience: 'ADMIN' },
  { folder: 'servers', title: 'Servers and nodes', audience: 'ADMIN' },
  { folder: 'site', title: 'Site and ads', audience: 'ADMIN' },
  { folder: 'audit', title: 'Audit log', audience: 'ADMIN' },
  { folder: 'agent', title: 'Server agent', audience: 'AGENT' },
  { folder: 'account', title: 'My account', audience: 'ACCOUNT' },
  { folder: 'public', title: 'Public', audience: 'PUBLIC' },
];
