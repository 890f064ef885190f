import type { Identity } from '../session/session.ts';

/** A folder of operations/. */
export interface TaskGroup {
  folder: string;
  title: string;
  /** Whom it is for; absent: everybody. */
  role?: Identity['role'];
}

/** In the order in which they are shown. */
export const TASK_GROUPS: readonly TaskGroup[] = [
  { folder: 'overview', title: 'How are we doing?', role: 'ADMIN' },
  { folder: 'customers', title: 'Customers', role: 'ADMIN' },
  { folder: 'orders', title: 'Orders', role: 'ADMIN' },
  { folder: 'codes', title: 'Codes', role: 'ADMIN' },
  { folder: 'devices', title: 'Devices', role: 'ADMIN' },
  { folder: 'plans', title: 'Plans', role: 'ADMIN' },
  { folder: 'servers', title: 'Servers and nodes', role: 'ADMIN' },
  { folder: 'site', title: 'Site and ads', role: 'ADMIN' },
  { folder: 'audit', title: 'Who changed what', role: 'ADMIN' },
  { folder: 'agent', title: 'As the agent of a server', role: 'AGENT' },
  { folder: 'account', title: 'My account' },
  { folder: 'public', title: 'What everybody sees' },
];
