import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { lockUsers } from '../../../../src/modules/kernel/locks.ts';
import { PLAN_USERS_CHANGED, USER_CHANGED } from '../../../../src/modules/kernel/topics.ts';
import { mergeAccounts } from '../../../../src/modules/lifecycle/account/merge-accounts.ts';
import { packReasons, reasonAt } from '../../../../src/modules/network/traffic/refusal-reasons.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import {
  buildNode,
  buildPlan,
  buildPlanNode,
  buildSubscription,
  buildTrafficReport,
  inDays,
} from '../../../support/factories.ts';
import { refusalOf } from '../../../support/redeeming.ts';
import { entryOf, listening, site } from '../../../support/reporting.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

const present = (id: string) => services.db.userSubscription.findUniqueOrThrow({ where: { id } });
async function counters(id: string) {
  const { upload, download } = await present(id);
  return [upload, download];
}

const merge = (fromId: string, intoId: string) =>
  services.db.$transaction(async (tx) => {
    await lockUsers(tx, [fromId, intoId]);
    await mergeAccounts(tx, { fromId, intoId });
  });

describe('reportTraffic after a merge', () => {
  it('counts on the subscription that has absorbed the reported one, also over several merges', async () => {
    const { report, nodeId, ids, users } = await site(services, { count: 3 });
    const [a = '', b = '', c = ''] = ids;
    const [userA = '', userB = '', userC = ''] = users;
    await merge(userA, userB);
    await merge(userB, userC);

    const receipt = await report([entryOf(nodeId, a, 1n), entryOf(nodeId, b, 10n), entryOf(nodeId, c, 100n)]);

    expect(receipt.refusals).toEqual([]);
    expect(await counters(c)).toEqual([111n, 0n]);
    for (const id of [a, b]) expect(await counters(id)).toEqual([0n, 0n]);
  });

  it('exhausts that subscription, and names the reported one if its counters would overflow', async () => {
    const { report, nodeId, ids, users } = await site(services, {
      count: 2,
      subscription: { trafficLimit: 100n },
    });
    const [a = '', b = ''] = ids;
    await merge(users[0] ?? '', users[1] ?? '');

    await report([entryOf(nodeId, a, 250n)]);
    const { refusals } = await report([entryOf(nodeId, a, 2n ** 63n - 1n)]);

    expect(await present(b)).toMatchObject({ status: 'EXHAUSTED', upload: 250n });
    expect(refusals).toMatchObject([{ subscriptionId: a, reason: 'OVERFLOW' }]);
  });

  it('loses nothing if the merge is concurrent', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { report, nodeId, ids, users } = await site(services, {
        count: 2,
        subscription: { trafficLimit: null },
      });
      const [a = '', b = ''] = ids;

      await Promise.all([
        merge(users[0] ?? '', users[1] ?? ''),
        ...[1n, 10n, 100n, 1_000n].map((bytes) =>
          report([entryOf(nodeId, a, bytes), entryOf(nodeId, b, bytes)]),
        ),
      ]);

      const [[ofA = 0n], [ofB = 0n]] = [await counters(a), await counters(b)];
      expect(ofA + ofB).toBe(2_222n);
    }
  });
});

describe('reportTraffic', () => {
  it('adds upload and download to the counters of each subscription', async () => {
    const { report, nodeId, ids } = await site(services, {
      count: 2,
      subscription: { upload: 5n, download: 7n },
    });
    const [one = '', other = ''] = ids;

    const receipt = await report([entryOf(nodeId, one, 10n, 20n), entryOf(nodeId, other, 30n, 40n)]);

    expect(receipt).toEqual({ applied: true, refused: [], refusals: [] });
    expect(await counters(one)).toEqual([15n, 27n]);
    expect(await counters(other)).toEqual([35n, 47n]);
  });

  it('announces nothing and keeps the version when only counters change', async () => {
    const { report, entry, subscriptionId } = await site(services);
    const before = await present(subscriptionId);
    const woken = listening(services);

    await report([entry(10n)]);

    expect(await present(subscriptionId)).toEqual({ ...before, upload: 10n });
    expect(woken).toEqual([]);
  });

  it.each<[string, number | string, bigint[], bigint]>([
    ['1.5 for an odd number', 1.5, [3n], 5n],
    ['half a byte, rounded up', 0.5, [1n], 1n],
    ['less than half a byte, rounded down', '0.4999', [1n], 0n],
    ['0.5, rounded once and not per entry', 0.5, [1n, 1n, 1n], 2n],
    ['zero', 0, [1_000n], 0n],
    ['more digits than a double has', '1.0001', [90_071_992_547_409_930n], 90_080_999_746_664_671n],
    ['the largest ratio', '99999.9999', [10_000n], 999_999_999n],
  ])('multiplies by the ratio of the node exactly: %s', async (_, ratio, uploads, expected) => {
    const { report, entry, subscriptionId } = await site(services, { ratio });

    await report(uploads.map((upload) => entry(upload)));

    expect((await counters(subscriptionId))[0]).toBe(expected);
  });

  it('adds up several entries of a subscription, from one node and from nodes with different ratios', async () => {
    const { report, entry, serverId, planId, subscriptionId } = await site(services, { ratio: 0.5 });
    const { id: double } = await buildNode(services.db, { serverId, ratio: 2 });
    await buildPlanNode(services.db, { planId, nodeId: double });

    await report([entry(1n, 2n), entry(2n, 2n), entryOf(double, subscriptionId, 100n, 1n)]);

    // 0.5 + 1 + 200, and 1 + 1 + 2.
    expect(await counters(subscriptionId)).toEqual([202n, 4n]);
  });

  it('accepts nodes that a plan contains by tag, and disabled or deleted ones', async () => {
    const { report, serverId } = await site(services);
    const { id: nodeId } = await buildNode(services.db, {
      ...{ serverId, tags: ['eu', 'fast'], enabled: false, deletedAt: inDays(0) },
    });
    const { id: planId } = await buildPlan(services.db, { nodeTags: ['us', 'fast'] });
    const { id } = await buildSubscription(services.db, { planId });

    expect(await report([entryOf(nodeId, id, 9n)])).toMatchObject({ applied: true, refused: [] });

    expect(await counters(id)).toEqual([9n, 0n]);
  });

  it('accepts upper-case ids and an empty report', async () => {
    const { report, entry, subscriptionId } = await site(services);
    const { nodeId, ...rest } = entry(3n);

    const shouted = { ...rest, nodeId: nodeId.toUpperCase(), subscriptionId: subscriptionId.toUpperCase() };
    expect(await report([shouted])).toEqual({ applied: true, refused: [], refusals: [] });
    expect(await report([])).toMatchObject({ applied: true });

    expect(await counters(subscriptionId)).toEqual([3n, 0n]);
  });
});

describe('a repeated traffic report', () => {
  it('is not counted again and returns the same refusals', async () => {
    const { report, entry, nodeId, subscriptionId } = await site(services);
    const { id: foreign, planId } = await buildSubscription(services.db);
    const entries = [entry(10n, 20n), entryOf(nodeId, foreign)];
    const first = await report(entries, { sequence: 7n });
    // The entry would be accepted now.
    await buildPlanNode(services.db, { planId, nodeId });

    const again = await report(entries, { sequence: 7n });

    expect(first).toMatchObject({ applied: true, refused: [foreign] });
    expect(again).toEqual({ ...first, applied: false });
    expect(await counters(subscriptionId)).toEqual([10n, 20n]);
    expect(await counters(foreign)).toEqual([0n, 0n]);
  });

  it('sent ten times concurrently is counted once and always returns the refusals', async () => {
    const { report, entry, nodeId, subscriptionId } = await site(services);
    const stranger = randomUUID();
    const entries = [entry(10n), entryOf(nodeId, stranger)];

    const receipts = await Promise.all(Array.from({ length: 10 }, () => report(entries, { sequence: 0n })));

    expect(receipts.filter(({ applied }) => applied)).toHaveLength(1);
    expect(receipts.map(({ refused }) => refused)).toEqual(Array.from({ length: 10 }, () => [stranger]));
    expect(await counters(subscriptionId)).toEqual([10n, 0n]);
  });

  it('returns the refusals that version 0.1 has stored', async () => {
    const { report, entry, serverId, bootId } = await site(services);
    const refusals = [{ index: 0, nodeId: 'a', subscriptionId: 'b', reason: 'FOREIGN' as const }];
    await buildTrafficReport(services.db, { serverId, bootId, sequence: 1n, refusals });

    expect(await report([entry()], { sequence: 1n })).toEqual({ applied: false, refused: ['b'], refusals });
  });

  it('counts as a new report with another bootId, sequence or server', async () => {
    const { report, entry, bootId, subscriptionId } = await site(services);
    const elsewhere = await site(services);

    for (const sequence of [9n, 2n, 5n, 9_223_372_036_854_775_807n]) {
      expect(await report([entry()], { sequence })).toMatchObject({ applied: true });
    }
    expect(await report([entry()], { sequence: 9n, bootId: randomUUID() })).toMatchObject({ applied: true });
    expect(await elsewhere.report([elsewhere.entry()], { sequence: 9n, bootId })).toMatchObject({
      applied: true,
    });

    expect(await counters(subscriptionId)).toEqual([5n, 0n]);
    expect(await counters(elsewhere.subscriptionId)).toEqual([1n, 0n]);
  });
});

describe('a refused traffic entry', () => {
  it('is returned with its reason while the others are counted', async () => {
    const { report, entry, nodeId, subscriptionId } = await site(services);
    const other = await site(services);
    const unknown = randomUUID();
    const before = await present(other.subscriptionId);

    const receipt = await report([
      entry(1n),
      entryOf(other.nodeId, subscriptionId, 10n),
      entryOf(nodeId, other.subscriptionId, 100n),
      entryOf(other.nodeId, other.subscriptionId, 1_000n),
      entryOf(nodeId, unknown, 1n),
      entryOf(unknown, subscriptionId, 10_000n),
      entryOf('no id', subscriptionId, 10_000n),
      entryOf(nodeId, 'no id', 1n),
      entry(-1n, 100_000n),
      entry(100_000n, -1n),
      entry(2n),
    ]);

    expect(await counters(subscriptionId)).toEqual([3n, 0n]);
    expect(await present(other.subscriptionId)).toEqual(before);
    expect(receipt.refused).toEqual([subscriptionId, other.subscriptionId, unknown, 'no id']);
    expect(receipt.refusals.map(({ index, reason }) => `${index} ${reason}`)).toEqual([
      ...[1, 2, 3, 4, 5, 6, 7].map((index) => `${index} FOREIGN`),
      '8 NEGATIVE',
      '9 NEGATIVE',
    ]);
    expect(receipt.refusals[1]).toEqual({
      index: 2,
      nodeId,
      subscriptionId: other.subscriptionId,
      reason: 'FOREIGN',
    });
  });

  it.each<[string, bigint, bigint]>([
    ['one counter', 9_223_372_036_854_775_807n, 0n],
    ['the sum of both', 4_611_686_018_427_387_904n, 4_611_686_018_427_387_904n],
  ])('does not change the counters that it would overflow by %s', async (_, upload, download) => {
    const { report, nodeId, ids } = await site(services, { count: 2, subscription: { upload: 1n } });
    const [full = '', other = ''] = ids;

    const receipt = await report([entryOf(nodeId, full, upload, download), entryOf(nodeId, other, 4n)]);

    expect(receipt).toMatchObject({ applied: true, refused: [full] });
    expect(receipt.refusals).toMatchObject([{ index: 0, reason: 'OVERFLOW' }]);
    expect(await counters(full)).toEqual([1n, 0n]);
    expect(await counters(other)).toEqual([5n, 0n]);
  });

  it('excludes an entry that fills a counter exactly to its maximum', async () => {
    const { report, entry, subscriptionId } = await site(services, { subscription: { upload: 1n } });

    expect(await report([entry(9_223_372_036_854_775_806n)])).toMatchObject({ refused: [] });

    expect(await counters(subscriptionId)).toEqual([9_223_372_036_854_775_807n, 0n]);
  });
});

describe('the stored part of a report', () => {
  const LARGEST = 5_000;

  it.each<[string, (index: number) => ReturnType<typeof entryOf>]>([
    ['long ids', (index) => entryOf('x'.repeat(200), `${index}`.padEnd(200, 'y'))],
    ['alternating reasons', (index) => entryOf(randomUUID(), randomUUID(), index % 2 ? -1n : 1n)],
  ])(
    'has at most 1,250 bytes for 5,000 refused entries with %s, which a retry gets again',
    async (_, make) => {
      const { report, serverId } = await site(services);
      const entries = Array.from({ length: LARGEST }, (__, index) => make(index));

      const first = await report(entries, { sequence: 1n });

      expect(first.refusals).toHaveLength(LARGEST);
      expect(await report(entries, { sequence: 1n })).toEqual({ ...first, applied: false });
      const [row] = await services.db.$queryRaw<{ bytes: number }[]>`
      SELECT octet_length(t::text) AS bytes FROM traffic_reports t WHERE server_id = ${serverId}::uuid`;
      // As text, a byte has two characters; the other columns have fewer than 200.
      expect(row?.bytes).toBeLessThan(2 * 1_250 + 200);
    },
  );
});

describe('packReasons', () => {
  it('keeps every reason at every place', () => {
    const reasons = ['FOREIGN', 'NEGATIVE', 'OVERFLOW'] as const;
    const refusals = Array.from({ length: 40 }, (_, at) => ({
      index: 3 * at + (at % 3),
      reason: reasons[at % 3] ?? 'FOREIGN',
    }));

    const bytes = packReasons(refusals);

    const kept = Array.from({ length: 200 }, (_, index) => ({ index, reason: reasonAt(bytes, index) }));
    expect(kept.filter(({ reason }) => reason !== null)).toEqual(refusals);
    expect(packReasons([])).toHaveLength(0);
  });
});

describe('an invalid traffic report', () => {
  it.each<[string, (entry: ReturnType<typeof entryOf>) => object, string]>([
    ['5,001 entries', (entry) => ({ entries: Array.from({ length: 5_001 }, () => entry) }), 'input.entries'],
    ['a negative sequence', () => ({ sequence: -1n }), 'input.sequence'],
    ['a malformed bootId', () => ({ bootId: 'monday' }), 'input.bootId'],
  ])('with %s changes nothing and its sequence can be used again', async (_, fault, field) => {
    const { report, entry, subscriptionId } = await site(services);
    const [wrong, right] = [entry(1_000n), entry(1n)];
    const { entries = [wrong], ...place } = fault(wrong) as { entries?: (typeof wrong)[] };

    const refusal = await refusalOf(report(entries, { sequence: 1n, ...place }));

    expect(refusal).toMatchObject({ code: 'BAD_USER_INPUT', details: { field } });
    expect(await report([right], { sequence: 1n })).toMatchObject({ applied: true });
    expect(await counters(subscriptionId)).toEqual([1n, 0n]);
  });
});

describe('reportTraffic at the traffic limit', () => {
  it('turns the subscription EXHAUSTED at the exact byte and wakes servers and user', async () => {
    const { report, entry, subscriptionId, userId, planId } = await site(services, {
      subscription: { trafficLimit: 100n, upload: 50n },
    });
    await report([entry(9n, 40n)]);
    const before = await present(subscriptionId);
    const woken = listening(services);

    await report([entry(0n, 1n)]);

    expect(before.status).toBe('ACTIVE');
    const after = await present(subscriptionId);
    expect(after).toMatchObject({
      status: 'EXHAUSTED',
      upload: 59n,
      download: 41n,
      version: before.version + 1,
    });
    expect(after.revision).toBeGreaterThan(before.revision);
    expect(woken).toEqual([`${PLAN_USERS_CHANGED} ${planId}`, `${USER_CHANGED} ${userId}`]);
  });

  it('keeps counting an EXHAUSTED subscription without announcing it again', async () => {
    const { report, entry, subscriptionId } = await site(services, {
      subscription: { trafficLimit: 100n, upload: 100n, status: 'EXHAUSTED' },
    });
    const before = await present(subscriptionId);
    const woken = listening(services);

    await report([entry(5n)]);

    expect(await present(subscriptionId)).toEqual({ ...before, upload: 105n });
    expect(woken).toEqual([]);
  });

  it.each<['STOPPED' | 'EXPIRED']>([['STOPPED'], ['EXPIRED']])('keeps a subscription %s', async (status) => {
    const { report, entry, subscriptionId } = await site(services, {
      subscription: { trafficLimit: 100n, status },
    });

    await report([entry(500n)]);

    expect(await present(subscriptionId)).toMatchObject({ status, upload: 500n });
  });

  it('announces only the exhausted one of ten subscriptions', async () => {
    const { report, nodeId, ids, users } = await site(services, {
      count: 10,
      subscription: { trafficLimit: 100n },
    });
    const woken = listening(services);

    await report(ids.map((id, place) => entryOf(nodeId, id, place === 3 ? 100n : 1n)));

    expect(woken.filter((wake) => wake.startsWith(`${USER_CHANGED} `))).toEqual([
      `${USER_CHANGED} ${users[3]}`,
    ]);
  });
});

describe('concurrent traffic reports', () => {
  it('for the same subscriptions lose no traffic', async () => {
    const { report, nodeId, ids } = await site(services, { count: 5 });

    await Promise.all(Array.from({ length: 20 }, () => report(ids.map((id) => entryOf(nodeId, id, 1n, 2n)))));

    for (const id of ids) expect(await counters(id)).toEqual([20n, 40n]);
  });

  it('for the same subscriptions in opposite order never deadlock', async () => {
    const { report, nodeId, ids } = await site(services, { count: 100 });
    const entries = ids.map((id) => entryOf(nodeId, id));
    const retried = vi.spyOn(services.log, 'warn');

    for (let round = 0; round < 10; round++) {
      await Promise.all([
        report(entries),
        report(entries.toReversed()),
        report(entries),
        report(entries.toReversed()),
      ]);
    }

    expect(retried.mock.calls).toEqual([]);
    retried.mockRestore();
    for (const id of ids) expect(await counters(id)).toEqual([40n, 0n]);
  });
});
