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

const made = (overrides: Parameters<typeof buildSubscription>[1] = {}) =>
  buildSubscription(api.services.db, overrides);
const present = (id: string) => api.services.db.userSubscription.findUniqueOrThrow({ where: { id } });
const update = async (id: string, input: UpdateUserSubscriptionInput) =>
  (await admin.get(UpdateUserSubscriptionDocument, { id, input })).updateUserSubscription;
const refused = async (id: string, input: UpdateUserSubscriptionInput) =>
  (await admin.refused(UpdateUserSubscriptionDocument, { id, input })).extensions;
const auditsOf = (targetId: string) => api.services.db.auditEntry.findMany({ where: { targetId } });

const OVER = { startsAt: inDays(-40), expiresAt: inDays(-1) };
const LATER = inDays(90);

describe('updateUserSubscription', () => {
  it('stops one: with the commit the servers know, and whoever watches is told', async () => {
    const before = await made();
    const woken = listening(api.services);

    expect(await update(before.id, { status: 'STOPPED' })).toMatchObject({ status: 'STOPPED', version: 2 });

    const after = await present(before.id);
    const { revision, revisedAt } = after;
    expect(after).toEqual({ ...before, status: 'STOPPED', version: 2, revision, revisedAt });
    expect(revision).toBeGreaterThan(before.revision);
    expect(woken).toEqual([`${PLAN_USERS_CHANGED} ${before.planId}`, `${USER_CHANGED} ${before.userId}`]);
  });

  it('changes only what is given, each on its own', async () => {
    const { id } = await made({ trafficLimit: 100n, upload: 5n });

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

  it('takes null for never and for unlimited, and for no version and no status', async () => {
    const { id } = await made({ trafficLimit: 100n, upload: 100n, status: 'EXHAUSTED' });

    expect(
      await update(id, { expiresAt: null, trafficLimit: null, version: null, status: null }),
    ).toMatchObject({
      ...{ status: 'ACTIVE', expiresAt: null, trafficLimit: null },
    });
  });

  it.each<[string, Parameters<typeof buildSubscription>[1], UpdateUserSubscriptionInput, string]>([
    [
      'a limit below what is used',
      { trafficLimit: 100n, upload: 30n, download: 30n },
      { trafficLimit: '60' },
      'EXHAUSTED',
    ],
    [
      'a limit above it',
      { trafficLimit: 100n, upload: 60n, download: 40n, status: 'EXHAUSTED' },
      { trafficLimit: '101' },
      'ACTIVE',
    ],
    ['an end that has passed', { startsAt: inDays(-40) }, { expiresAt: inDays(-1).toISOString() }, 'EXPIRED'],
    ['an end to come', { ...OVER, status: 'EXPIRED' }, { expiresAt: LATER.toISOString() }, 'ACTIVE'],
    [
      'no end',
      { ...OVER, status: 'EXPIRED', trafficLimit: 5n, upload: 5n },
      { expiresAt: null },
      'EXHAUSTED',
    ],
    ['another limit of one that is over, though nobody has swept it', OVER, { trafficLimit: '5' }, 'EXPIRED'],
    ['another end of a stopped one', { status: 'STOPPED' }, { expiresAt: LATER.toISOString() }, 'STOPPED'],
    ['going on', { status: 'STOPPED' }, { status: 'ACTIVE' }, 'ACTIVE'],
    [
      'going on, used up',
      { status: 'STOPPED', trafficLimit: 5n, upload: 5n },
      { status: 'ACTIVE' },
      'EXHAUSTED',
    ],
    ['stopping one that is over', { ...OVER, status: 'EXPIRED' }, { status: 'STOPPED' }, 'STOPPED'],
  ])('after %s it is what follows', async (_, overrides, input, status) => {
    const { id } = await made(overrides);

    expect(await update(id, input)).toMatchObject({ status, version: 2 });

    expect(await present(id)).toMatchObject({ status });
  });

  it('gives a limit for the later periods, too: nothing of a merge is left of it', async () => {
    const periodic = { resetCycle: 'MONTHLY_FIRST' as const, nextResetAt: inDays(9) };
    const { id } = await made({ ...periodic, trafficLimit: 180n, bonusTraffic: 80n });

    await update(id, { expiresAt: null });
    expect(await present(id)).toMatchObject({ trafficLimit: 180n, bonusTraffic: 80n });
    await update(id, { trafficLimit: '50' });
    expect(await present(id)).toMatchObject({ trafficLimit: 50n, bonusTraffic: 0n });
  });

  it('is written down with what it was and what it is', async () => {
    const { id, expiresAt } = await made({ trafficLimit: 9_007_199_254_740_993n });

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

describe('an update that is refused', () => {
  it.each<[string, Parameters<typeof buildSubscription>[1], UpdateUserSubscriptionInput, string]>([
    ['EXHAUSTED', {}, { status: 'EXHAUSTED' }, 'input.status'],
    ['EXPIRED', {}, { status: 'EXPIRED' }, 'input.status'],
    ['ACTIVE where its time is over', { ...OVER, status: 'STOPPED' }, { status: 'ACTIVE' }, 'input.status'],
    ['an end before its start', {}, { expiresAt: inDays(-1).toISOString() }, 'input.expiresAt'],
    ['a negative limit', {}, { trafficLimit: '-1' }, 'input.trafficLimit'],
  ])('for %s names the field, and changes and tells nothing', async (_, overrides, input, field) => {
    const before = await made(overrides);
    const woken = listening(api.services);

    expect(await refused(before.id, input)).toMatchObject({ code: 'BAD_USER_INPUT', field });

    expect(await present(before.id)).toEqual(before);
    expect(await auditsOf(before.id)).toEqual([]);
    expect(woken).toEqual([]);
  });

  it('because its user has the plan live by now says so', async () => {
    const before = await made({ status: 'STOPPED' });
    const live = await made({ userId: before.userId, planId: before.planId });

    for (const input of [{ status: 'ACTIVE' as const }, { status: 'ACTIVE' as const, expiresAt: null }]) {
      expect(await refused(before.id, input)).toMatchObject({
        code: 'BAD_USER_INPUT',
        field: 'input.status',
      });
    }

    expect(await present(before.id)).toEqual(before);
    expect(await present(live.id)).toEqual(live);
  });

  it('is none when the other one is over, though nobody has swept it yet', async () => {
    const before = await made({ status: 'STOPPED' });
    const over = await made({ ...OVER, userId: before.userId, planId: before.planId });

    expect(await update(before.id, { status: 'ACTIVE' })).toMatchObject({ status: 'ACTIVE' });

    expect(await present(over.id)).toMatchObject({ status: 'EXPIRED', version: 2 });
  });

  it('is NOT_FOUND for what there is not', async () => {
    for (const id of ['no id', '019a0000-0000-7000-8000-000000000000']) {
      expect(await refused(id, { status: 'STOPPED' })).toMatchObject({ code: 'NOT_FOUND' });
    }
  });

  it('has been changed since that version; without a version the last write wins', async () => {
    const { id } = await made();
    await update(id, { version: 1, trafficLimit: '5' });

    expect(await refused(id, { version: 1, trafficLimit: '6' })).toMatchObject({ code: 'EDIT_CONFLICT' });
    expect(await update(id, { trafficLimit: '7' })).toMatchObject({ trafficLimit: '7', version: 3 });
  });
});

describe('updates at once', () => {
  it('of the same version: one of ten is made', async () => {
    const { id } = await made();
    const change = (place: number) =>
      updateUserSubscription(api.services, {
        ...{ actorId: admin.userId, id, input: { version: 1, trafficLimit: BigInt(place) } },
      });

    const outcomes = await tally(Array.from({ length: 10 }, (_, place) => change(place + 1)));

    expect(outcomes).toEqual({ OK: 1, EDIT_CONFLICT: 9 });
    expect(await auditsOf(id)).toHaveLength(1);
  });

  it('that let several of one user and plan go on: one does', async () => {
    const first = await made({ status: 'STOPPED' });
    const { userId, planId } = first;
    const ids = [first.id];
    for (let more = 0; more < 4; more++) ids.push((await made({ userId, planId, status: 'STOPPED' })).id);

    const outcomes = await tally(
      ids.map((id) =>
        updateUserSubscription(api.services, { actorId: admin.userId, id, input: { status: 'ACTIVE' } }),
      ),
    );

    expect(outcomes).toEqual({ OK: 1, BAD_USER_INPUT: 4 });
  });

  it('as a report: what it has counted decides', async () => {
    const { id } = await made({ trafficLimit: 1_000n, upload: 10n });
    let changing: Promise<unknown> | undefined;

    await api.services.db.$transaction(async (tx) => {
      // As a report holds it while it is under way.
      await tx.userSubscription.update({ where: { id }, data: { upload: { increment: 90n } } });
      changing = updateUserSubscription(api.services, {
        ...{ actorId: admin.userId, id, input: { trafficLimit: 100n } },
      });
      await eventually(async () => (await waiting(api.services)) > 0);
    });
    await changing;

    expect(await present(id)).toMatchObject({ upload: 100n, trafficLimit: 100n, status: 'EXHAUSTED' });
  });
});
