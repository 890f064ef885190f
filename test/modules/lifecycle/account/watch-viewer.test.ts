import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { USER_CHANGED } from '../../../../src/modules/kernel/topics.ts';
import { withTimeLimit } from '../../../../src/platform/concurrency/time-limit.ts';
import { type AccountFragment, ViewerChangedDocument, ViewerDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildDevice, buildSubscription, unique } from '../../../support/factories.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

/**
 * Reads messages one by one. One change may cause several messages, but no two consecutive ones are
 * equal.
 */
function watch(client: TestUser) {
  const messages = client.subscribe(ViewerChangedDocument);
  const received: AccountFragment[] = [];
  const next = async (withinMs = 5_000): Promise<AccountFragment> => {
    const { value } = await withTimeLimit(messages.next(), withinMs, () => {
      throw new Error(`no message within ${withinMs} ms`);
    });
    expect(value.data.viewerChanged).not.toEqual(received.at(-1));
    received.push(value.data.viewerChanged);
    return value.data.viewerChanged;
  };
  return {
    next,
    /** Waits for the first message that matches. */
    until: async (matches: (account: AccountFragment) => boolean) => {
      let message = await next();
      while (!matches(message)) message = await next();
      return message;
    },
    stop: () => messages.return?.(),
  };
}

// Concurrent, because most of these tests wait for the poll.
describe.concurrent('viewerChanged', () => {
  it('sends the current account first', async () => {
    const user = await api.newUser();
    const { id } = await buildSubscription(api.services.db, { userId: user.userId });
    const changes = watch(user);

    const first = await changes.next();

    expect(first).toEqual((await user.get(ViewerDocument)).viewer);
    expect(first.subscriptions).toMatchObject([{ id, status: 'ACTIVE' }]);
    await changes.stop();
  });

  it.each<[string, (client: TestUser) => Promise<unknown>, (account: AccountFragment) => unknown, unknown]>([
    [
      'a new subscription',
      ({ userId }) => buildSubscription(api.services.db, { userId }),
      ({ subscriptions }) => subscriptions.length,
      2,
    ],
    [
      'changed traffic',
      ({ userId }) =>
        api.services.db.userSubscription.updateMany({ where: { userId }, data: { upload: 7n } }),
      ({ subscriptions }) => subscriptions[0]?.upload,
      '7',
    ],
    [
      'a changed plan',
      ({ userId }) =>
        api.services.db.plan.updateMany({
          where: { subscriptions: { some: { userId } } },
          data: { name: 'Renamed' },
        }),
      ({ subscriptions }) => subscriptions[0]?.plan.name,
      'Renamed',
    ],
    [
      'a new device',
      ({ userId }) => buildDevice(api.services.db, { userId, shortCode: 'TV' }),
      ({ devices }) => devices.nodes[0]?.shortCode,
      'TV',
    ],
    [
      'a removed device',
      ({ userId }) => api.services.db.device.deleteMany({ where: { userId, shortCode: 'old' } }),
      ({ devices }) => devices.totalCount,
      1,
    ],
    [
      'a changed account',
      ({ userId }) =>
        api.services.db.user.update({ where: { id: userId }, data: { createdAt: new Date('2020-01-01') } }),
      ({ createdAt }) => createdAt,
      '2020-01-01T00:00:00.000Z',
    ],
  ])('sends %s within seconds without a wake-up', async (change, apply, seen, expected) => {
    const user = await api.newUser();
    await buildSubscription(api.services.db, { userId: user.userId });
    if (change === 'a removed device') {
      await buildDevice(api.services.db, { userId: user.userId, shortCode: 'old' });
    }
    const changes = watch(user);
    expect(seen(await changes.next())).not.toEqual(expected);

    await apply(user);

    await changes.until((account) => seen(account) === expected);
    await changes.stop();
  });

  it('reports a subscription as expired although no row has changed', async () => {
    const user = await api.newUser();
    const expiresAt = new Date(Date.now() + 1_500);
    await buildSubscription(api.services.db, { userId: user.userId, expiresAt });
    const changes = watch(user);

    expect((await changes.next()).subscriptions).toMatchObject([{ status: 'ACTIVE' }]);

    expect((await changes.next()).subscriptions).toMatchObject([{ status: 'EXPIRED' }]);
    await changes.stop();
  });

  it('sends a change immediately after a wake-up', async () => {
    const user = await api.newUser();
    const { db, pubSub } = api.services;
    const changes = watch(user);
    await changes.next();
    const { id } = await buildSubscription(db, { userId: user.userId });
    const started = Date.now();

    for (const token of Array.from({ length: 8 }, () => unique('token'))) {
      await db.userSubscription.update({ where: { id }, data: { token } });
      pubSub.publish(USER_CHANGED, [user.userId]);
      await changes.until(({ subscriptions }) => subscriptions[0]?.token === token);
    }

    // The poll alone would take up to two seconds for each change.
    expect(Date.now() - started).toBeLessThan(8_000);
    await changes.stop();
  });

  it('sends nothing when no selected field has changed, however often it is woken', async () => {
    const user = await api.newUser();
    const { db, pubSub } = api.services;
    const changes = watch(user);
    await changes.next();

    for (let wakeUp = 0; wakeUp < 20; wakeUp += 1) pubSub.publish(USER_CHANGED, [user.userId]);
    await db.user.update({ where: { id: user.userId }, data: { enabled: true } });
    await db.device.updateMany({ where: { userId: user.userId }, data: { appVersion: '2.0' } });
    const { id } = await buildSubscription(db, { userId: user.userId });
    pubSub.publish(USER_CHANGED, [user.userId]);

    expect((await changes.next()).subscriptions).toMatchObject([{ id }]);
    await changes.stop();
  });

  it('sends nothing about other accounts', async () => {
    const user = await api.newUser();
    const other = await api.newUser();
    const changes = watch(user);
    await changes.next();

    await buildSubscription(api.services.db, { userId: other.userId });
    api.services.pubSub.publish(USER_CHANGED, [other.userId]);
    await buildDevice(api.services.db, { userId: user.userId, shortCode: 'mine' });

    const message = await changes.until(({ devices }) => devices.totalCount === 2);
    expect(message.subscriptions).toEqual([]);
    await changes.stop();
  });
});
