import { afterAll, beforeAll, expect, it } from 'vitest';
import { readWatchedOrders } from '../../../../src/modules/redemption/order/read-watched-orders.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { buildOrder, buildPlan, buildSubscription, inDays } from '../../../support/factories.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

const find = (id: string) =>
  services.db.order.findUniqueOrThrow({
    where: { id },
    include: { plan: true, subscription: { include: { plan: true } } },
  });

it('readWatchedOrders reads every column as Prisma does and leaves out missing ids', async () => {
  const { db } = services;
  const { id: planId } = await buildPlan(db, {
    trafficLimit: 9_007_199_254_740_993n,
    nodeTags: ['a', 'b, c'],
  });
  const { id: subscriptionId, userId } = await buildSubscription(db, { planId });
  const finished = await buildOrder(db, { status: 'FINISHED', planId, userId, subscriptionId });
  const paid = await buildOrder(db);
  const missing = '00000000-0000-4000-8000-000000000000';

  const read = await readWatchedOrders(services, [paid.id, missing, finished.id]);

  expect(read.size).toBe(2);
  expect(read.get(paid.id)).toMatchObject(await find(paid.id));
  expect(read.get(finished.id)).toMatchObject(await find(finished.id));
});

it('readWatchedOrders reports a subscription as EXPIRED as soon as its time has passed', async () => {
  const {
    id: subscriptionId,
    userId,
    planId,
  } = await buildSubscription(services.db, {
    startsAt: inDays(-40),
    expiresAt: inDays(-1),
  });
  const { id } = await buildOrder(services.db, { status: 'FINISHED', planId, userId, subscriptionId });

  const read = await readWatchedOrders(services, [id]);

  expect(read.get(id)).toMatchObject({ subscription: { status: 'EXPIRED' } });
});
