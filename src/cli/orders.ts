import { type Order, OrderStatus } from '../generated/prisma/client.ts';
import { retryOrders } from '../modules/redemption/accept/retry-orders.ts';
import { listOrders } from '../modules/redemption/order/list-orders.ts';
import { normalizeOrderNo } from '../modules/redemption/order/order-number.ts';
import { PlatformError } from '../platform/errors.ts';
import { type Command, type Tools, UsageError, type Values, wholeNumber } from './command.ts';
import { showTable } from './table.ts';
import { orderLine } from './users.ts';

const DEFAULT_COUNT = 20;
const MAX_COUNT = 100;

export const ordersList: Command = {
  needs: 'services',
  name: 'orders list',
  summary: 'lists the latest orders, for example those that wait for their activation',
  options: { status: { type: 'string' }, count: { type: 'string' } },
  help: `  --status <status>   ${Object.values(OrderStatus).join(', ')} (default: all but CLOSED)
  --count <n>         number of orders, at most ${MAX_COUNT} (default: ${DEFAULT_COUNT})`,
  run: async ({ services, show }, values) => {
    const first = wholeNumber(values, 'count') ?? DEFAULT_COUNT;
    const page = { first: Math.min(first, MAX_COUNT) };
    const { nodes } = await listOrders(services, { filter: { status: statusOf(values) }, page });
    showTable({ show }, nodes.map(orderLine));
    if (nodes.length === 0) show('None.');
  },
};

function statusOf({ status }: Values): OrderStatus | null {
  if (status === undefined) return null;
  const found = Object.values(OrderStatus).find((name) => name === String(status).toUpperCase());
  if (found) return found;
  throw new UsageError(`--status must be one of ${Object.values(OrderStatus).join(', ')}.`);
}

export const ordersShow: Command = {
  needs: 'services',
  name: 'orders show',
  argument: 'number',
  summary: 'shows an order, its user, and why it failed or waits',
  options: {},
  help: '',
  run: async (tools, values) => {
    const order = await findOrder(tools, values);
    const { db } = tools.services;
    const { name } = await db.plan.findUniqueOrThrow({ where: { id: order.planId } });
    showTable(tools, [orderLine(order)]);
    tools.show(`user ${order.userId}`);
    tools.show(`plan ${name}, ${order.quantity} × ${order.unitTime}, code …${order.codeHint}`);
    if (order.subscriptionId) tools.show(`subscription ${order.subscriptionId}`);
    if (order.nextAttemptAt) {
      tools.show(`${order.attempts} failed attempts, next one at ${order.nextAttemptAt.toISOString()}`);
    }
  },
};

export const ordersRetry: Command = {
  needs: 'services',
  name: 'orders retry',
  argument: 'number',
  summary: 'accepts a failed order again',
  options: {},
  help: '',
  run: async (tools, values) => {
    const { id, orderNo } = await findOrder(tools, values);
    await retryOrders(tools.services, { actorId: null, ids: [id] });
    tools.show(`Order ${orderNo} is accepted again. A worker activates it within seconds.`);
  },
};

/** @throws PlatformError NOT_FOUND */
async function findOrder({ services }: Tools, { number }: Values): Promise<Order> {
  const orderNo = normalizeOrderNo(String(number));
  const order = await services.db.order.findUnique({ where: { orderNo } });
  if (order) return order;
  throw new PlatformError('NOT_FOUND', { message: `There is no order ${number}.` });
}
