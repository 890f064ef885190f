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

/** A user with a live subscription, and a PAID order that will extend it. */
async function extending(subscription: object = {}, plan: object = {}) {
  const place = await site(services, {
    subscription: { trafficLimit: 100n, upload: 10n, ...subscription },
    plan: { trafficLimit: 100n, ...plan },
  });
  const { code } = await newCode(services, { batch: { planId: place.planId } });
  return { ...place, order: await r.redeem(place.userId, code) };
}

/** Pauses an activation before its commit until `work` waits for its locks. */
async function during(order: { id: string }, work: () => Promise<unknown>): Promise<void> {
  let done: Promise<unknown> | undefined;
  armed('activateOrders.beforeCommit', async () => {
    done ??= work();
    await eventually(async () => (await waiting(services)) > 0);
  });
  await r.activate(order);
  await done;
}

describe('reportTraffic during an activation', () => {
  it('adds to the used traffic when the activation extends a plan that never resets', async () => {
    const { report, entry, order, subscriptionId } = await extending();

    await during(order, () => report([entry(5n, 6n)]));

    expect(await present(subscriptionId)).toMatchObject({
      ...{ upload: 15n, download: 6n, trafficLimit: 200n, status: 'ACTIVE' },
    });
  });

  it('counts in the new period when the activation resets the traffic', async () => {
    const cycle = { resetCycle: 'MONTHLY_FIRST' as const };
    const { report, entry, order, subscriptionId } = await extending(
      { ...cycle, nextResetAt: new Date(Date.now() + 86_400_000), status: 'EXHAUSTED' },
      cycle,
    );

    await during(order, () => report([entry(5n, 6n)]));

    expect(await present(subscriptionId)).toMatchObject({ upload: 5n, download: 6n, status: 'ACTIVE' });
  });

  it('compares with the traffic limit after the activation', async () => {
    const { report, entry, order, subscriptionId } = await extending({ upload: 99n });

    await during(order, () => report([entry(5n)]));

    expect(await present(subscriptionId)).toMatchObject({
      upload: 104n,
      trafficLimit: 200n,
      status: 'ACTIVE',
    });
  });

  it('loses no traffic in any order of many reports and activations', async () => {
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
