import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PLAN_USERS_CHANGED, USER_CHANGED } from '../../../src/modules/kernel/topics.ts';
import { updateUserSubscription } from '../../../src/modules/subscription/update-subscription.ts';
import { UpdateUserSubscriptionDocument, type UpdateUserSubscriptionInput } from '../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../support/api.ts';
import { buildSubscription, inDays } from '../../support/factories.ts';
import { eventually, tally } from '../../support/redeeming.ts';
import { listening, waiting } from '../../support/reporting.ts';

let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api?.close());

const build = (overrides: Parameters<typeof buildSubscription>[1] = {}) =>
  buildSubscription(api.services.db, overrides);
const reload = (id: string) => api.services.db.userSubscription.findUniqueOrThrow({ where: { id } });
const update = async (id: string, input: UpdateUserSubscriptionInput) =>
  (await admin.get(UpdateUserSubscriptionDocument, { id, input })).updateUserSubscription;
const refused = async (id: string, input: UpdateUserSubscriptionInput) =>
  (await admin.refused(UpdateUserSubscriptionDocument, { id, input })).extensions;
const auditsOf = (targetId: string) => api.services.db.auditEntry.findMany({ where: { targetId } });

const OVERDUE = { startsAt: inDays(-40), expiresAt: inDays(-1) };
const LATER = inDays(90);

describe('updateUserSubscription', () => {
  it('stops a subscription, raises its revision and wakes agents and watchers', async () => {
    const before = await build();
    const woken = listening(api.services);

    expect(await update(before.id, { status: 'STOPPED' })).toMatchObject({ status: 'STOPPED', version: 2 });

    const after = await reload(before.id);
    const { revision, revisedAt } = after;
    expect(after).toEqual({ ...before, status: 'STOPPED', version: 2, revision, revisedAt });
    expect(revision).toBeGreaterThan(before.revision);
    expect(woken).toEqual([`${PLAN_USERS_CHANGED} ${before.planId}`, `${USER_CHANGED} ${before.userId}`]);
  });

  it('changes only the given fields', async () => {
    const { id } = await build({ trafficLimit: 100n, upload: 5n });

    expect(await update(id, { expiresAt: LATER.toISOString() })).toEqual({
      ...{ id, status: 'ACTIVE', expiresAt: LATER.toISOString(), trafficLimit: '100', version: 2 },
    });
    expect(await update(id, { trafficLimit: '200' })).toMatchObject({
      expiresAt: LATER.toISOString(),
      trafficLimit: '200',
    });
    expect(await update(id, {})).toMatchObject({
      expiresAt: LATER.toISOString(),
      trafficLimit: '200',
      status: 'ACTIVE',
    });
  });

  it('treats null as never expiring and unlimited, and ignores a null version and status', async () => {
    const { id } = await build({ trafficLimit: 100n, upload: 100n, status: 'EXHAUSTED' });

    expect(
      await update(id, { expiresAt: null, trafficLimit: null, version: null, status: null }),
    ).toMatchObject({
      ...{ status: 'ACTIVE', expiresAt: null, trafficLimit: null },
    });
  });

  it.each<[string, Parameters<typeof buildSubscription>[1], UpdateUserSubscriptionInput, string]>([
    [
      'setting a limit that is already used up',
      { trafficLimit: 100n, upload: 30n, download: 30n },
      { trafficLimit: '60' },
      'EXHAUSTED',
    ],
    [
      'setting a limit above the usage',
      { trafficLimit: 100n, upload: 60n, download: 40n, status: 'EXHAUSTED' },
      { trafficLimit: '101' },
      'ACTIVE',
    ],
    [
      'setting an expiry in the past',
      { startsAt: inDays(-40) },
      { expiresAt: inDays(-1).toISOString() },
      'EXPIRED',
    ],
    [
      'setting a future expiry',
      { ...OVERDUE, status: 'EXPIRED' },
      { expiresAt: LATER.toISOString() },
      'ACTIVE',
    ],
    [
      'removing the expiry of an exhausted subscription',
      { ...OVERDUE, status: 'EXPIRED', trafficLimit: 5n, upload: 5n },
      { expiresAt: null },
      'EXHAUSTED',
    ],
    [
      'changing the limit of an overdue subscription that the sweep has not updated yet',
      OVERDUE,
      { trafficLimit: '5' },
      'EXPIRED',
    ],
    [
      'changing the expiry of a stopped subscription',
      { status: 'STOPPED' },
      { expiresAt: LATER.toISOString() },
      'STOPPED',
    ],
    ['resuming', { status: 'STOPPED' }, { status: 'ACTIVE' }, 'ACTIVE'],
    [
      'resuming a subscription whose traffic is used up',
      { status: 'STOPPED', trafficLimit: 5n, upload: 5n },
      { status: 'ACTIVE' },
      'EXHAUSTED',
    ],
    ['stopping an expired subscription', { ...OVERDUE, status: 'EXPIRED' }, { status: 'STOPPED' }, 'STOPPED'],
  ])('derives the status after %s', async (_, overrides, input, status) => {
    const { id } = await build(overrides);

    expect(await update(id, input)).toMatchObject({ status, version: 2 });

    expect(await reload(id)).toMatchObject({ status });
  });

  it('drops the bonus of a merge when the limit is set, so that later periods get the new limit', async () => {
    const periodic = { resetCycle: 'MONTHLY_FIRST' as const, nextResetAt: inDays(9) };
    const { id } = await build({ ...periodic, trafficLimit: 180n, bonusTraffic: 80n });

    await update(id, { expiresAt: null });
    expect(await reload(id)).toMatchObject({ trafficLimit: 180n, bonusTraffic: 80n });
    await update(id, { trafficLimit: '50' });
    expect(await reload(id)).toMatchObject({ trafficLimit: 50n, bonusTraffic: 0n });
  });

  it('shortens the trial share with the expiry and the limit, but does not extend it', async () => {
    const share = { trialEndsAt: inDays(20), trialTraffic: 80n };
    const { id } = await build({ ...share, trafficLimit: 100n });

    await update(id, { expiresAt: LATER.toISOString(), trafficLimit: '500' });
    expect(await reload(id)).toMatchObject(share);
    const soon = inDays(2);
    await update(id, { expiresAt: soon.toISOString(), trafficLimit: '30' });
    expect(await reload(id)).toMatchObject({ trialEndsAt: soon, trialTraffic: 30n });
  });

  it('leaves a subscription that is nothing but a trial one', async () => {
    const { id } = await build({ isTrial: true, trafficLimit: 100n });

    await update(id, { expiresAt: LATER.toISOString() });

    expect(await reload(id)).toMatchObject({ isTrial: true, trialEndsAt: null, trialTraffic: 0n });
  });

  it('records an audit entry with the state before and after', async () => {
    const { id, expiresAt } = await build({ trafficLimit: 9_007_199_254_740_993n });

    await update(id, { status: 'STOPPED', expiresAt: null });

    expect(await auditsOf(id)).toMatchObject([
      {
        action: 'updateUserSubscription',
        actorId: admin.userId,
        before: {
          status: 'ACTIVE',
          expiresAt: expiresAt?.toISOString(),
          trafficLimit: '9007199254740993',
          version: 1,
        },
        after: { status: 'STOPPED', expiresAt: null, trafficLimit: '9007199254740993', version: 2 },
      },
    ]);
  });
});

describe('updateUserSubscription with invalid input', () => {
  it.each<[string, Parameters<typeof buildSubscription>[1], UpdateUserSubscriptionInput, string]>([
    ['the status EXHAUSTED', {}, { status: 'EXHAUSTED' }, 'input.status'],
    ['the status EXPIRED', {}, { status: 'EXPIRED' }, 'input.status'],
    [
      'the status ACTIVE for an expired subscription',
      { ...OVERDUE, status: 'STOPPED' },
      { status: 'ACTIVE' },
      'input.status',
    ],
    ['an expiry before the start', {}, { expiresAt: inDays(-1).toISOString() }, 'input.expiresAt'],
    ['a negative limit', {}, { trafficLimit: '-1' }, 'input.trafficLimit'],
  ])(
    'rejects %s, names the field, and neither changes nor announces anything',
    async (_, overrides, input, field) => {
      const before = await build(overrides);
      const woken = listening(api.services);

      expect(await refused(before.id, input)).toMatchObject({ code: 'BAD_USER_INPUT', field });

      expect(await reload(before.id)).toEqual(before);
      expect(await auditsOf(before.id)).toEqual([]);
      expect(woken).toEqual([]);
    },
  );

  it('rejects resuming a subscription if the user has a live one of the same plan', async () => {
    const before = await build({ status: 'STOPPED' });
    const live = await build({ userId: before.userId, planId: before.planId });

    for (const input of [{ status: 'ACTIVE' as const }, { status: 'ACTIVE' as const, expiresAt: null }]) {
      expect(await refused(before.id, input)).toMatchObject({
        code: 'BAD_USER_INPUT',
        field: 'input.status',
      });
    }

    expect(await reload(before.id)).toEqual(before);
    expect(await reload(live.id)).toEqual(live);
  });

  it('resumes a subscription if the other one of the plan is overdue, and expires that one', async () => {
    const before = await build({ status: 'STOPPED' });
    const overdue = await build({ ...OVERDUE, userId: before.userId, planId: before.planId });

    expect(await update(before.id, { status: 'ACTIVE' })).toMatchObject({ status: 'ACTIVE' });

    expect(await reload(overdue.id)).toMatchObject({ status: 'EXPIRED', version: 2 });
  });

  it('returns NOT_FOUND for unknown and malformed ids', async () => {
    for (const id of ['no id', '019a0000-0000-7000-8000-000000000000']) {
      expect(await refused(id, { status: 'STOPPED' })).toMatchObject({ code: 'NOT_FOUND' });
    }
  });

  it('returns EDIT_CONFLICT for an outdated version; without a version the last write wins', async () => {
    const { id } = await build();
    await update(id, { version: 1, trafficLimit: '5' });

    expect(await refused(id, { version: 1, trafficLimit: '6' })).toMatchObject({ code: 'EDIT_CONFLICT' });
    expect(await update(id, { trafficLimit: '7' })).toMatchObject({ trafficLimit: '7', version: 3 });
  });
});

describe('concurrent calls of updateUserSubscription', () => {
  it('let one of ten edits of the same version succeed', async () => {
    const { id } = await build();
    const change = (place: number) =>
      updateUserSubscription(api.services, {
        ...{ actorId: admin.userId, id, input: { version: 1, trafficLimit: BigInt(place) } },
      });

    const outcomes = await tally(Array.from({ length: 10 }, (_, place) => change(place + 1)));

    expect(outcomes).toEqual({ OK: 1, EDIT_CONFLICT: 9 });
    expect(await auditsOf(id)).toHaveLength(1);
  });

  it('resume only one of several subscriptions of the same user and plan', async () => {
    const first = await build({ status: 'STOPPED' });
    const { userId, planId } = first;
    const ids = [first.id];
    for (let more = 0; more < 4; more++) ids.push((await build({ userId, planId, status: 'STOPPED' })).id);

    const outcomes = await tally(
      ids.map((id) =>
        updateUserSubscription(api.services, { actorId: admin.userId, id, input: { status: 'ACTIVE' } }),
      ),
    );

    expect(outcomes).toEqual({ OK: 1, BAD_USER_INPUT: 4 });
  });

  it('derive the status from the traffic that a concurrent report has counted', async () => {
    const { id } = await build({ trafficLimit: 1_000n, upload: 10n });
    let changing: Promise<unknown> | undefined;

    await api.services.db.$transaction(async (tx) => {
      // A report in flight holds the row like this.
      await tx.userSubscription.update({ where: { id }, data: { upload: { increment: 90n } } });
      changing = updateUserSubscription(api.services, {
        ...{ actorId: admin.userId, id, input: { trafficLimit: 100n } },
      });
      await eventually(async () => (await waiting(api.services)) > 0);
    });
    await changing;

    expect(await reload(id)).toMatchObject({ upload: 100n, trafficLimit: 100n, status: 'EXHAUSTED' });
  });
});
