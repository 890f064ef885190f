import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Order } from '../../../../src/generated/prisma/client.ts';
import type { OrderFilter } from '../../../generated/graphql.ts';
import {
  OrdersDocument,
  RetryOrdersDocument,
  ViewerOrderPageDocument,
  ViewerOrdersDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildOrder, buildRedemption, inDays } from '../../../support/factories.ts';
import { statementsOf } from '../../../support/statements.ts';

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

  it('share a statement when many users read at the same time, each getting their own', async () => {
    const { db } = api.services;
    const customers = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        const customer = await api.newUser();
        const orders: string[] = [];
        // Some have fewer than a page, some more, and the first none.
        for (let order = 0; order < at % 5; order++)
          orders.unshift((await buildOrder(db, { userId: customer.userId, status: 'FAILED' })).id);
        return { customer, orders };
      }),
    );

    const pages = await Promise.all(
      customers.map(({ customer }) => customer.get(ViewerOrderPageDocument, { first: 2 })),
    );

    for (const [at, { orders }] of customers.entries()) {
      expect(pages[at]?.viewer?.orders.nodes.map(({ id }) => id)).toEqual(orders.slice(0, 2));
      expect(pages[at]?.viewer?.orders.pageInfo.hasNextPage).toBe(orders.length > 2);
    }
    const { queries } = await statementsOf(() =>
      Promise.all(customers.map(({ customer }) => customer.get(ViewerOrderPageDocument, { first: 3 }))),
    );
    expect(queries.filter((sql) => sql.includes('FROM orders')).length).toBeLessThanOrEqual(6);
  });

  it('continue after a cursor, and end before one', async () => {
    const first = (await user.get(ViewerOrderPageDocument, { first: 2 })).viewer?.orders;
    const after = first?.pageInfo.endCursor;
    const second = (await user.get(ViewerOrderPageDocument, { first: 3, after })).viewer?.orders;
    expect([first, second].map((page) => page?.nodes.map(({ id }) => nameOf(id)))).toEqual([
      ['finished', 'refused'],
      ['failed', 'paid', 'old'],
    ]);

    const last = (await user.get(ViewerOrderPageDocument, { last: 2 })).viewer?.orders;
    expect(last?.nodes.map(({ id }) => nameOf(id))).toEqual(['paid', 'old']);
  });
});
