import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UserSubscription } from '../../../src/generated/prisma/client.ts';
import {
  SubscriptionsDocument,
  type UserSubscriptionFilter,
  ViewerSubscriptionOwnersDocument,
} from '../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../support/api.ts';
import { buildSubscription, inDays } from '../../support/factories.ts';

let api: TestApi;
let admin: TestUser;
let user: TestUser;
let made: Record<
  'active' | 'endless' | 'exhausted' | 'unswept' | 'swept' | 'stopped' | 'foreign',
  UserSubscription
>;
beforeAll(async () => {
  api = await startTestApi();
  [admin, user] = [await api.newAdmin(), await api.newUser()];
  const { db } = api.services;
  const own = { userId: user.userId };
  const over = { startsAt: inDays(-40), expiresAt: inDays(-1) };
  made = {
    active: await buildSubscription(db, own),
    endless: await buildSubscription(db, { ...own, expiresAt: null }),
    exhausted: await buildSubscription(db, { ...own, status: 'EXHAUSTED', trafficLimit: 0n }),
    unswept: await buildSubscription(db, { ...own, ...over, status: 'EXHAUSTED', trafficLimit: 0n }),
    swept: await buildSubscription(db, { ...own, ...over, status: 'EXPIRED' }),
    stopped: await buildSubscription(db, { ...own, ...over, status: 'STOPPED' }),
    foreign: await buildSubscription(db),
  };
});
afterAll(() => api.close());

const nameOf = (id: string) => Object.entries(made).find(([, row]) => row.id === id)?.[0] ?? id;
async function listed(filter: UserSubscriptionFilter | null) {
  const { subscriptions } = await admin.get(SubscriptionsDocument, { filter });
  expect(subscriptions?.totalCount).toBe(subscriptions?.nodes.length);
  return subscriptions?.nodes ?? [];
}

describe('subscriptions', () => {
  it('are listed newest first, with the current status and the owner', async () => {
    const nodes = await listed(null);

    expect(nodes.map(({ id, status }) => `${nameOf(id)} ${status}`)).toEqual([
      'foreign ACTIVE',
      'stopped STOPPED',
      'swept EXPIRED',
      'unswept EXPIRED',
      'exhausted EXHAUSTED',
      'endless ACTIVE',
      'active ACTIVE',
    ]);
    expect(nodes.map((node) => node.user?.id)).toEqual([
      made.foreign.userId,
      ...Array.from({ length: 6 }, () => user.userId),
    ]);
  });

  it.each<[string, () => UserSubscriptionFilter, string[]]>([
    ['ACTIVE', () => ({ status: 'ACTIVE' }), ['foreign', 'endless', 'active']],
    ['EXHAUSTED', () => ({ status: 'EXHAUSTED' }), ['exhausted']],
    [
      'EXPIRED, whether the sweep has updated them or not',
      () => ({ status: 'EXPIRED' }),
      ['swept', 'unswept'],
    ],
    ['STOPPED', () => ({ status: 'STOPPED' }), ['stopped']],
    ['one user', () => ({ userId: made.foreign.userId }), ['foreign']],
    ['one plan', () => ({ planId: made.swept.planId.toUpperCase() }), ['swept']],
    [
      'a user, a plan and a status',
      () => ({ userId: user.userId, planId: made.active.planId, status: 'STOPPED' }),
      [],
    ],
  ])('can be filtered by %s', async (_, filter, names) => {
    expect((await listed(filter())).map(({ id }) => nameOf(id))).toEqual(names);
  });

  it('are all listed if every condition of the filter is null', async () => {
    expect(await listed({ userId: null, planId: null, status: null })).toHaveLength(7);
  });

  it('are paginated', async () => {
    const first = await admin.get(SubscriptionsDocument, { first: 4 });
    const after = first.subscriptions?.pageInfo.endCursor ?? null;
    const rest = await admin.get(SubscriptionsDocument, { first: 4, after });

    const ids = [...(first.subscriptions?.nodes ?? []), ...(rest.subscriptions?.nodes ?? [])].map(
      ({ id }) => id,
    );
    expect(ids.map(nameOf).reverse()).toEqual(Object.keys(made));
    expect(rest.subscriptions?.pageInfo.hasNextPage).toBe(false);
  });

  it('expose their owner to admins only', async () => {
    const { viewer } = await user.get(ViewerSubscriptionOwnersDocument);

    expect(viewer?.subscriptions.map((one) => one.user)).toEqual(Array.from({ length: 6 }, () => null));
  });
});
