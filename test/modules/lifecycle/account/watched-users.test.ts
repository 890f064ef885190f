import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { watchedUsers } from '../../../../src/modules/lifecycle/account/watch-viewer.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import type { PubSub } from '../../../../src/platform/watch/pubsub.ts';
import { createWatcher, type Watcher } from '../../../../src/platform/watch/watch.ts';
import type { WatchKind } from '../../../../src/platform/watch/watch-kind.ts';
import {
  buildDevice,
  buildNode,
  buildPlanNode,
  buildSubscription,
  buildUser,
} from '../../../support/factories.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
let watcher: Watcher;
let kind: WatchKind;
beforeAll(async () => {
  services = await createTestServices();
  const silent: Pick<PubSub, 'onWake' | 'onReconnect'> = {
    onWake: () => () => {},
    onReconnect: () => () => {},
  };
  watcher = createWatcher({ pubSub: silent, log: services.log, pollMs: 50 });
  kind = watchedUsers({ db: services.db, watcher });
});
afterAll(async () => {
  watcher.close();
  await services.close();
});

interface Watched {
  userId: string;
  subscriptionId: string;
  planId: string;
  deviceId: string;
  nodeId: string;
  serverId: string;
}

describe('watchedUsers', () => {
  it.each<[string, (watched: Watched) => Promise<unknown>]>([
    [
      'a changed account',
      ({ userId }) => services.db.user.update({ where: { id: userId }, data: { enabled: false } }),
    ],
    ['a new subscription', ({ userId }) => buildSubscription(services.db, { userId })],
    [
      'a changed subscription',
      ({ subscriptionId: id }) =>
        services.db.userSubscription.update({ where: { id }, data: { upload: 1n } }),
    ],
    [
      'a deleted subscription',
      ({ subscriptionId: id }) => services.db.userSubscription.delete({ where: { id } }),
    ],
    [
      'a changed plan',
      ({ planId: id }) => services.db.plan.update({ where: { id }, data: { name: 'Renamed' } }),
    ],
    ['a new node of a plan', ({ planId }) => buildPlanNode(services.db, { planId })],
    [
      'a changed node of a plan',
      ({ nodeId: id }) => services.db.node.update({ where: { id }, data: { name: 'Renamed' } }),
    ],
    [
      'a changed server address',
      ({ serverId: id }) => services.db.server.update({ where: { id }, data: { address: '192.0.2.200' } }),
    ],
    [
      'a server that comes online',
      ({ serverId: id }) => services.db.server.update({ where: { id }, data: { lastSeenAt: new Date() } }),
    ],
    ['a new device', ({ userId }) => buildDevice(services.db, { userId })],
    [
      'a changed device',
      ({ deviceId: id }) => services.db.device.update({ where: { id }, data: { name: 'Renamed' } }),
    ],
    ['a deleted device', ({ deviceId: id }) => services.db.device.delete({ where: { id } })],
  ])('detects %s by polling alone', async (_, change) => {
    const { id: userId } = await buildUser(services.db);
    const subscription = await buildSubscription(services.db, { userId });
    const device = await buildDevice(services.db, { userId });
    const node = await buildNode(services.db);
    await buildPlanNode(services.db, { planId: subscription.planId, nodeId: node.id });
    let reads = 0;
    const stream = kind.watch(userId, async () => ++reads);
    // The first poll wakes every stream, because an earlier wake-up may have been lost. Later polls
    // wake only streams whose fingerprint has changed.
    expect([await stream.next(), await stream.next()]).toMatchObject([{ value: 1 }, { value: 2 }]);

    const third = stream.next();
    await change({
      userId,
      subscriptionId: subscription.id,
      planId: subscription.planId,
      deviceId: device.id,
      nodeId: node.id,
      serverId: node.serverId,
    });

    expect(await third).toMatchObject({ value: 3 });
    await stream.return();
  });

  it('wakes no stream for unchanged accounts or for changes of other accounts', async () => {
    const [mine, theirs] = [await buildUser(services.db), await buildUser(services.db)];
    let reads = 0;
    let othersReads = 0;
    const stream = kind.watch(mine.id, async () => ++reads);
    const others = kind.watch(theirs.id, async () => ++othersReads);
    for (const one of [stream, others, stream, others]) await one.next();

    void stream.next();
    for (let change = 0; change < 5; change += 1) {
      const next = others.next();
      await buildSubscription(services.db, { userId: theirs.id });
      await next;
    }

    expect(reads).toBe(2);
    await Promise.all([stream.return(), others.return()]);
  });
});
