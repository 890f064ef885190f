import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { newCode } from '../../../support/codes.ts';
import { armed, eventually, type Redeeming, startRedeeming } from '../../../support/redeeming.ts';
import { site, waiting } from '../../../support/reporting.ts';

let r: Redeeming;
let services: RunningServices;
beforeAll(async () => {
  r = await startRedeeming();
  services = r.services;
});
afterAll(() => r.close());

const present = (id: string) => services.db.userSubscription.findUniqueOrThrow({ where: { id } });

/** A user with a live subscription, and an order that will extend it. */
async function extending(subscription: object = {}, plan: object = {}) {
  const place = await site(services, {
    subscription: { trafficLimit: 100n, upload: 10n, ...subscription },
    plan: { trafficLimit: 100n, ...plan },
  });
  const { code } = await newCode(services, { batch: { planId: place.planId } });
  return { ...place, order: await r.redeem(place.userId, code) };
}

/** Holds an activation before its commit until the work waits for it. */
async function during(order: { id: string }, work: () => Promise<unknown>): Promise<void> {
  let done: Promise<unknown> | undefined;
  armed('activateOrders.beforeCommit', async () => {
    done ??= work();
    await eventually(async () => (await waiting(services)) > 0);
  });
  await r.activate(order);
  await done;
}

describe('a report during an activation', () => {
  it('that extends a plan which never resets is added to what was used', async () => {
    const { report, entry, order, subscriptionId } = await extending();

    await during(order, () => report([entry(5n, 6n)]));

    expect(await present(subscriptionId)).toMatchObject({
      ...{ upload: 15n, download: 6n, trafficLimit: 200n, status: 'ACTIVE' },
    });
  });

  it('that begins a period anew counts in the new one', async () => {
    const cycle = { resetCycle: 'MONTHLY_FIRST' as const };
    const { report, entry, order, subscriptionId } = await extending(
      { ...cycle, nextResetAt: new Date(Date.now() + 86_400_000), status: 'EXHAUSTED' },
      cycle,
    );

    await during(order, () => report([entry(5n, 6n)]));

    expect(await present(subscriptionId)).toMatchObject({ upload: 5n, download: 6n, status: 'ACTIVE' });
  });

  it('decides whether it is used up by the limit that the activation leaves', async () => {
    const { report, entry, order, subscriptionId } = await extending({ upload: 99n });

    await during(order, () => report([entry(5n)]));

    expect(await present(subscriptionId)).toMatchObject({
      upload: 104n,
      trafficLimit: 200n,
      status: 'ACTIVE',
    });
  });

  it('loses nothing, whichever of many comes first', async () => {
    const places = [];
    for (let made = 0; made < 10; made++) places.push(await extending({ upload: 0n }));

    await Promise.all(
      places.flatMap(({ report, entry, order }) => [
        report([entry(1n)]),
        r.activate(order),
        report([entry(1n)]),
        report([entry(1n)]),
      ]),
    );

    for (const { subscriptionId } of places) {
      expect(await present(subscriptionId)).toMatchObject({ upload: 3n, trafficLimit: 200n });
    }
  });
});
