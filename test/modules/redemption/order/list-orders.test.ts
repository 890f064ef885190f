import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Order } from '../../../../src/generated/prisma/client.ts';
import type { OrderFilter } from '../../../generated/graphql.ts';
import { OrdersDocument, RetryOrdersDocument, ViewerOrdersDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildOrder, buildRedemption, inDays } from '../../../support/factories.ts';

let api: TestApi;
let admin: TestUser;
let user: TestUser;
let stranger: TestUser;
let made: Record<'old' | 'paid' | 'failed' | 'refused' | 'closed' | 'finished' | 'foreign', Order>;
beforeAll(async () => {
  api = await startTestApi();
  [admin, user, stranger] = [await api.newAdmin(), await api.newUser(), await api.newUser()];
  const { db } = api.services;
  const own = { userId: user.userId };
  made = {
    old: await buildOrder(db, { ...own, status: 'FAILED', createdAt: inDays(-10) }),
    paid: await buildOrder(db, { ...own, orderNo: 'T0123456789ABCDE' }),
    failed: await buildOrder(db, { ...own, status: 'FAILED' }),
    refused: await buildOrder(db, { ...own, status: 'FAILED', failureCode: 'QUOTA_EXCEEDED' }),
    closed: await buildOrder(db, { ...own, status: 'CLOSED' }),
    finished: await buildOrder(db, { ...own, status: 'FINISHED' }),
    foreign: await buildOrder(db, { userId: stranger.userId }),
  };
  await buildRedemption(db, { orderId: made.finished.id });
});
afterAll(() => api.close());

const nameOf = (id: string) => Object.entries(made).find(([, order]) => order.id === id)?.[0] ?? id;

async function listed(filter: OrderFilter | null): Promise<string[]> {
  const { orders } = await admin.get(OrdersDocument, { filter });
  expect(orders?.totalCount).toBe(orders?.nodes.length);
  return (orders?.nodes ?? []).map(({ id }) => nameOf(id));
}

describe('orders', () => {
  it('are listed newest first, without CLOSED ones unless the filter asks for them', async () => {
    expect(await listed(null)).toEqual(['foreign', 'finished', 'refused', 'failed', 'paid', 'old']);
    expect(await listed({ status: 'CLOSED' })).toEqual(['closed']);
  });

  it.each<[string, () => OrderFilter, string[]]>([
    ['status', () => ({ status: 'FAILED' }), ['refused', 'failed', 'old']],
    ['reason', () => ({ failureCode: 'QUOTA_EXCEEDED' }), ['refused']],
    ['owner', () => ({ userId: stranger.userId }), ['foreign']],
    ['number, as typed', () => ({ orderNo: ' t0123456789abcde ' }), ['paid']],
    ['a number that does not exist', () => ({ orderNo: 'T' }), []],
    [
      'start time',
      () => ({ userId: user.userId, from: inDays(-1).toISOString() }),
      ['finished', 'refused', 'failed', 'paid'],
    ],
    [
      'end time, exclusive',
      () => ({ from: made.old.createdAt.toISOString(), to: made.old.createdAt.toISOString() }),
      [],
    ],
    [
      'start time, inclusive',
      () => ({ from: made.old.createdAt.toISOString(), to: inDays(-1).toISOString() }),
      ['old'],
    ],
    [
      'all criteria together',
      () => ({
        userId: user.userId,
        status: 'FAILED',
        failureCode: 'ACTIVATION_FAILED',
        from: inDays(-1).toISOString(),
      }),
      ['failed'],
    ],
    [
      'nulls, which do not restrict',
      () => ({ userId: null, status: 'PAID', orderNo: null, from: null }),
      ['foreign', 'paid'],
    ],
  ])('are filtered by %s', async (_, filter, names) => {
    expect(await listed(filter())).toEqual(names);
  });

  it('cannot be filtered by a malformed owner id', async () => {
    for (const userId of ['', 'no id']) {
      expect((await admin.refused(OrdersDocument, { filter: { userId } })).extensions.code).toBe('NOT_FOUND');
    }
  });

  it('can be listed and retried by admins only', async () => {
    expect((await user.refused(OrdersDocument, {})).extensions.code).toBe('FORBIDDEN');
    const ids = [made.failed.id];
    expect((await user.refused(RetryOrdersDocument, { ids })).extensions.code).toBe('FORBIDDEN');
  });
});

describe('the orders and redemptions of a viewer', () => {
  it('are those of their account, newest first, without CLOSED ones', async () => {
    const { viewer } = await user.get(ViewerOrdersDocument);

    expect(viewer?.orders.nodes.map(({ id }) => nameOf(id))).toEqual([
      'finished',
      'refused',
      'failed',
      'paid',
      'old',
    ]);
    expect(viewer?.orders.totalCount).toBe(5);
    expect(viewer?.redemptions).toMatchObject({
      totalCount: 1,
      nodes: [
        {
          order: { id: made.finished.id },
          plan: { id: made.finished.planId },
          codeHint: made.finished.codeHint,
        },
      ],
    });
  });
});
