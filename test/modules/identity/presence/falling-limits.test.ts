import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expireSubscriptions } from '../../../../src/modules/subscription/expire-subscriptions.ts';
import { pollUntil } from '../../../../src/platform/concurrency/poll-until.ts';
import { UpdatePlanDocument, UpdateUserSubscriptionDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildPlan, buildSubscription, buildUser, inDays } from '../../../support/factories.ts';
import { goOnline, newLoggedInDevice } from '../../../support/going-online.ts';

/** The promise: devices above a limit that falls are displaced within five seconds. */
const DEADLINE_MS = 5_000;

let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api?.close());

/** An account with four connected devices, oldest first, and plans for four and for two. */
async function newHousehold() {
  const { db } = api.services;
  const { id: userId } = await buildUser(db);
  const [large, small] = [
    await buildPlan(db, { deviceLimit: 4, resetCycle: 'NEVER' }),
    await buildPlan(db, { deviceLimit: 2, resetCycle: 'NEVER' }),
  ];
  const largeOne = await buildSubscription(db, { userId, planId: large.id, expiresAt: inDays(10) });
  await buildSubscription(db, { userId, planId: small.id, expiresAt: inDays(10) });
  const sockets = [];
  for (let place = 0; place < 4; place += 1) {
    sockets.push(await goOnline(api.url, await newLoggedInDevice(api.services, { userId })));
    await sleep(5);
  }
  // The check that connecting has caused must not notice what changes later.
  await sleep(1_500);
  return { large, largeOne, sockets, userId };
}

const openOnes = (sockets: readonly { isOpen(): boolean }[]) => sockets.map((socket) => socket.isOpen());
type Household = Awaited<ReturnType<typeof newHousehold>>;

describe('a device limit that falls', () => {
  it.each<[string, (household: Household) => Promise<unknown>]>([
    [
      'a plan is edited',
      ({ large: { id, version } }) =>
        admin.get(UpdatePlanDocument, { id, input: { version, deviceLimit: 1 } }),
    ],
    [
      'the larger plan is stopped',
      ({ largeOne: { id, version } }) =>
        admin.get(UpdateUserSubscriptionDocument, { id, input: { version, status: 'STOPPED' } }),
    ],
    [
      'the larger plan expires',
      async ({ largeOne: { id } }) => {
        const { db } = api.services;
        await db.userSubscription.update({
          where: { id },
          data: { startsAt: inDays(-2), expiresAt: inDays(-1) },
        });
        await expireSubscriptions(api.services);
      },
    ],
  ])('displaces the longest-connected devices above it when %s', async (_, fall) => {
    const household = await newHousehold();
    const { sockets } = household;
    expect(openOnes(sockets)).toEqual([true, true, true, true]);

    await fall(household);

    const isDone = () => String(openOnes(sockets)) === 'false,false,true,true';
    expect(await pollUntil(isDone, DEADLINE_MS)).toBe(true);
    for (const { closed } of sockets.slice(0, 2))
      expect(await closed).toEqual({ code: 4409, reason: 'DEVICE_DISPLACED' });
    for (const { close } of sockets) close();
  });

  it('displaces no one while the limit is not exceeded, or of another account', async () => {
    const [household, others] = [await newHousehold(), await newHousehold()];
    const { large } = household;

    await admin.get(UpdatePlanDocument, { id: large.id, input: { version: large.version, deviceLimit: 4 } });
    await sleep(2_000);

    for (const { sockets } of [household, others]) {
      expect(openOnes(sockets)).toEqual([true, true, true, true]);
      for (const { close } of sockets) close();
    }
  });
});
