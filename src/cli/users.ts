import { setUserEnabled } from '../modules/lifecycle/account/set-user-enabled.ts';
import { erasePerson } from '../modules/lifecycle/privacy/erase-person.ts';
import { exportPerson } from '../modules/lifecycle/privacy/export-person.ts';
import { findPerson } from '../modules/lifecycle/privacy/find-person.ts';
import { type Command, type Tools, UsageError, type Values } from './command.ts';
import { showTable } from './table.ts';

const help = '  <user> is an id, an e-mail address, the identifier of a device, or the number of an order.';

const personOf = ({ services }: Tools, { user }: Values) => findPerson(services, String(user));

const RECENT_ORDERS = 10;

export const usersShow: Command = {
  needs: 'services',
  name: 'users show',
  argument: 'user',
  summary: 'shows an account with its devices, subscriptions and latest orders',
  options: {},
  help,
  run: async (tools, values) => {
    const { db } = tools.services;
    const user = await db.user.findUniqueOrThrow({
      where: { id: await personOf(tools, values) },
      include: {
        identities: { orderBy: { id: 'asc' } },
        devices: { orderBy: { id: 'asc' } },
        subscriptions: { orderBy: { id: 'asc' }, include: { plan: true } },
        orders: { orderBy: { id: 'desc' }, take: RECENT_ORDERS },
      },
    });
    const { show } = tools;
    show(`user ${user.id}, ${user.role}, ${stateOf(user)}, since ${user.createdAt.toISOString()}`);
    for (const { type, value } of user.identities) show(`${type.toLowerCase()} ${value}`);
    showTable(
      tools,
      user.devices.map(({ id, name, platform, enabled, lastSeenAt }) => ({
        ...{ device: id, name, platform, enabled, 'last seen': lastSeenAt },
      })),
    );
    showTable(
      tools,
      user.subscriptions.map(({ id, plan, status, expiresAt, upload, download, trafficLimit }) => ({
        ...{ subscription: id, plan: plan.name, status, expires: expiresAt },
        traffic: `${upload + download} of ${trafficLimit ?? 'unlimited'} bytes`,
      })),
    );
    showTable(tools, user.orders.map(orderLine));
  },
};

export const orderLine = (order: {
  orderNo: string;
  status: string;
  failureCode: string | null;
  createdAt: Date;
  finishedAt: Date | null;
}) => ({
  order: order.orderNo,
  status: order.failureCode ? `${order.status} ${order.failureCode}` : order.status,
  accepted: order.createdAt,
  ended: order.finishedAt,
});

function stateOf({
  mergedIntoId,
  deletedAt,
  enabled,
}: {
  mergedIntoId: string | null;
  deletedAt: Date | null;
  enabled: boolean;
}): string {
  if (mergedIntoId) return `merged into ${mergedIntoId}`;
  if (deletedAt) return `closed at ${deletedAt.toISOString()}`;
  return enabled ? 'enabled' : 'disabled';
}

const setEnabled = (enabled: boolean): Command => ({
  needs: 'services',
  name: enabled ? 'users enable' : 'users disable',
  argument: 'user',
  summary: enabled
    ? 'enables an account; its sessions stay revoked'
    : 'disables an account immediately: its sessions end, and servers no longer admit it',
  options: {},
  help,
  run: async (tools, values) => {
    const id = await personOf(tools, values);
    await setUserEnabled(tools.services, { actorId: null, id, enabled });
    tools.show(`User ${id} is ${enabled ? 'enabled' : 'disabled'}.`);
  },
});

export const usersEnable = setEnabled(true);
export const usersDisable = setEnabled(false);

export const usersExport: Command = {
  needs: 'services',
  name: 'users export',
  argument: 'user',
  summary: 'prints everything that is stored about a person, as JSON without credentials',
  options: {},
  help: `${help}\n  Also for closed accounts. Accounts that were merged into this one are included.`,
  run: async (tools, values) => tools.show(await exportPerson(tools.services, await personOf(tools, values))),
};

export const usersErase: Command = {
  needs: 'services',
  name: 'users erase',
  argument: 'user',
  summary: 'closes an account and erases what describes its person',
  options: { yes: { type: 'boolean' } },
  help: `${help}
  --yes   do it; it cannot be undone

  Orders, redemptions and subscriptions remain, under an id that nothing links to the person.
  Backups and logs are not changed.`,
  run: async (tools, values) => {
    if (!values.yes) throw new UsageError('This cannot be undone. Add --yes.');
    const id = await personOf(tools, values);
    await erasePerson(tools.services, id);
    tools.show(`User ${id} is closed and erased. Backups still contain it.`);
  },
};
