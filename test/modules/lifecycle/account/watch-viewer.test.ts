import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { USER_CHANGED } from '../../../../src/modules/kernel/topics.ts';
import { type AccountFragment, ViewerChangedDocument, ViewerDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildDevice, buildSubscription, unique } from '../../../support/factories.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

/** The messages one after the other. A change may be seen in parts, so several may tell of it; no two are alike. */
function watch(client: TestUser) {
  const messages = client.subscribe(ViewerChangedDocument);
  const received: AccountFragment[] = [];
  const next = async (withinMs = 5_000): Promise<AccountFragment> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no message within ${withinMs} ms`)), withinMs);
    });
    try {
      const { value } = await Promise.race([messages.next(), late]);
      expect(value.data.viewerChanged).not.toEqual(received.at(-1));
      received.push(value.data.viewerChanged);
      return value.data.viewerChanged;
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    next,
    /** The first message that satisfies. */
    until: async (isIt: (account: AccountFragment) => boolean) => {
      let message = await next();
      while (!isIt(message)) message = await next();
      return message;
    },
    stop: () => messages.return?.(),
  };
}

// Side by side: most of them wait for the poll.
describe.concurrent('viewerChanged', () => {
  it('sends the account as it is now, first', async () => {
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
      'traffic',
      ({ userId }) =>
        api.services.db.userSubscription.updateMany({ where: { userId }, data: { upload: 7n } }),
      ({ subscriptions }) => subscriptions[0]?.upload,
      '7',
    ],
    [
      'the plan of a subscription',
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
      'the end of another device',
      ({ userId }) => api.services.db.device.deleteMany({ where: { userId, shortCode: 'old' } }),
      ({ devices }) => devices.totalCount,
      1,
    ],
    [
      'the account itself',
      ({ userId }) => api.services.db.user.update({ where: { id: userId }, data: { role: 'ADMIN' } }),
      ({ role }) => role,
      'ADMIN',
    ],
  ])('sends %s again within some seconds although no wake-up came', async (change, apply, seen, expected) => {
    const user = await api.newUser();
    await buildSubscription(api.services.db, { userId: user.userId });
    if (change.startsWith('the end')) {
      await buildDevice(api.services.db, { userId: user.userId, shortCode: 'old' });
    }
    const changes = watch(user);
    expect(seen(await changes.next())).not.toEqual(expected);

    await apply(user);

    await changes.until((account) => seen(account) === expected);
    await changes.stop();
  });

  it('tells that a subscription has expired, which no row says', async () => {
    const user = await api.newUser();
    const expiresAt = new Date(Date.now() + 1_500);
    await buildSubscription(api.services.db, { userId: user.userId, expiresAt });
    const changes = watch(user);

    expect((await changes.next()).subscriptions).toMatchObject([{ status: 'ACTIVE' }]);

    expect((await changes.next()).subscriptions).toMatchObject([{ status: 'EXPIRED' }]);
    await changes.stop();
  });

  it('sends a change at once when it is woken', async () => {
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

    // The poll alone brings one in two seconds.
    expect(Date.now() - started).toBeLessThan(8_000);
    await changes.stop();
  });

  it('sends nothing when nothing has changed that the client sees, however often it is woken', async () => {
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

  it('says nothing of the accounts of others', async () => {
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
