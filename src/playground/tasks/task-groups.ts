/** A folder of operations/. */
export interface TaskGroup {
  folder: string;
  title: string;
  /** Whom it is for. PERSON is whoever has an account, admins too. */
  audience: 'ADMIN' | 'AGENT' | 'PERSON' | 'EVERYBODY';
}

/** In the order in which they are shown. */
export const TASK_GROUPS: readonly TaskGroup[] = [
  { folder: 'overview', title: 'How are we doing?', audience: 'ADMIN' },
  { folder: 'customers', title: 'Customers', audience: 'ADMIN' },
  { folder: 'orders', title: 'Orders', audience: 'ADMIN' },
  { folder: 'codes', title: 'Codes', audience: 'ADMIN' },
  { folder: 'devices', title: 'Devices', audience: 'ADMIN' },
  { folder: 'plans', title: 'Plans', audience: 'ADMIN' },
  { folder: 'servers', title: 'Servers and nodes', audience: 'ADMIN' },
  { folder: 'site', title: 'Site and ads', audience: 'ADMIN' },
  { folder: 'audit', title: 'Who changed what', audience: 'ADMIN' },
  { folder: 'agent', title: 'As the agent of a server', audience: 'AGENT' },
  { folder: 'account', title: 'My account', audience: 'PERSON' },
  { folder: 'public', title: 'What everybody sees', audience: 'EVERYBODY' },
];
