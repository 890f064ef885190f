import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorker } from '../../src/worker.ts';
import {
  ReportTrafficDocument,
  UpdateUserSubscriptionDocument,
  ViewerChangedDocument,
} from '../generated/graphql.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import { buildNode, buildPlan, buildSubscription } from '../support/factories.ts';

let api: TestApi;
let worker: ReturnType<typeof startWorker>;
beforeAll(async () => {
  api = await startTestApi();
  worker = startWorker(api.services, { BATCH_SIZE: 128 });
});
afterAll(async () => {
  await worker?.stop();
  await api?.close();
});

/** A server with an agent and a node, and a user whose plan contains the node. */
async function setUp(subscription: Partial<Parameters<typeof buildSubscription>[1]> = {}) {
  const { db } = api.services;
  const [agent, user] = [await api.newAgent(), await api.newUser()];
  const { id: nodeId } = await buildNode(db, { serverId: agent.serverId, tags: [agent.serverId] });
  const { id: planId } = await buildPlan(db, { nodeTags: [agent.serverId] });
  const { id } = await buildSubscription(db, { ...subscription, userId: user.userId, planId });
  const bootId = randomUUID();
  const input = (sequence: number, upload: string) => ({
    ...{ bootId, sequence: String(sequence) },
    entries: [{ nodeId, subscriptionId: id, upload, download: '0' }],
  });
  return { agent, user, id, input };
}

/** The statuses of the user's subscription that the app receives, without repetitions. */
function statuses(user: Awaited<ReturnType<typeof setUp>>['user']) {
  const messages = user.subscribe(ViewerChangedDocument);
  let last: string | undefined;
  return {
    next: async () => {
      for (;;) {
        const { value } = await messages.next();
        const status = value?.data?.viewerChanged.subscriptions[0]?.status;
        if (status !== last) {
          last = status;
          return status;
        }
      }
    },
    end: () => messages.return?.(),
  };
}

describe('traffic of a subscription', () => {
  it('notifies the app each time it is exhausted and its limit is raised', async () => {
    const { agent, user, id, input } = await setUp({ trafficLimit: 1_000n });
    const admin = await api.newAdmin();
    const received = statuses(user);
    expect(await received.next()).toBe('ACTIVE');

    const report = await agent.get(ReportTrafficDocument, { input: input(1, '1000') });
    expect(report.reportTraffic).toEqual({ applied: true, refused: [], refusals: [] });
    expect(await received.next()).toBe('EXHAUSTED');

    await admin.get(UpdateUserSubscriptionDocument, { id, input: { trafficLimit: '1500' } });
    expect(await received.next()).toBe('ACTIVE');

    const again = await agent.get(ReportTrafficDocument, { input: input(1, '1000') });
    expect(again.reportTraffic.applied).toBe(false);
    await agent.get(ReportTrafficDocument, { input: input(2, '500') });
    expect(await received.next()).toBe('EXHAUSTED');
    await received.end();
  });

  it('can be reported only by a server that has the plan', async () => {
    const [here, elsewhere] = [await setUp(), await setUp()];

    const stolen = await elsewhere.agent.get(ReportTrafficDocument, { input: here.input(1, '1000') });
    const byUser = await here.user.refused(ReportTrafficDocument, { input: here.input(1, '1000') });
    const byAnonymous = await api.anonymous.refused(ReportTrafficDocument, { input: here.input(1, '1000') });

    expect(stolen.reportTraffic).toMatchObject({
      refused: [here.id],
      refusals: [{ index: 0, reason: 'FOREIGN' }],
    });
    expect([byUser.extensions.code, byAnonymous.extensions.code]).toEqual(['FORBIDDEN', 'UNAUTHENTICATED']);
    // Sequences are per server: the foreign report did not use up this server's number.
    const own = await here.agent.get(ReportTrafficDocument, { input: here.input(1, '5') });
    expect(own.reportTraffic).toMatchObject({ applied: true, refused: [] });
  });

  it.each<[bytes: unknown]>([
    ['9223372036854775808'],
    ['-9223372036854775808'],
    ['1.5'],
    [0.25],
    [1e21],
    [''],
    [null],
    [['7']],
    [{ bytes: 7 }],
  ])('refuses only the entry with %j bytes', async (bytes) => {
    const { agent, id, input } = await setUp();
    const good = input(1, '5');
    const [entry] = good.entries;
    const entries = [
      { ...entry, upload: bytes as string },
      ...good.entries,
      { ...entry, download: bytes as string },
    ] as (typeof good)['entries'];

    const report = { input: { ...good, entries } };
    const first = await agent.get(ReportTrafficDocument, report);
    const again = await agent.get(ReportTrafficDocument, report);

    const refusals = [0, 2].map((index) => expect.objectContaining({ index, reason: 'MALFORMED' }));
    expect(first.reportTraffic).toEqual({ applied: true, refused: [id], refusals });
    expect(again.reportTraffic).toEqual({ ...first.reportTraffic, applied: false });
    const { upload } = await api.services.db.userSubscription.findUniqueOrThrow({ where: { id } });
    expect(upload).toBe(5n);
  });

  it('is rejected when the sequence is malformed or an entry lacks a field', async () => {
    const { agent, input } = await setUp();
    const [entry] = input(1, '5').entries;
    const { upload: _, ...withoutUpload } = entry ?? {};

    const sequence = await agent.refused(ReportTrafficDocument, {
      input: { ...input(1, '5'), sequence: '9223372036854775808' },
    });
    const field = await agent.refused(ReportTrafficDocument, {
      input: { ...input(1, '1.5'), entries: [withoutUpload as never] },
    });

    expect(sequence.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.sequence' });
    expect(field.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.entries.0.upload' });
  });
});

describe('worker', () => {
  it('marks a subscription EXPIRED and notifies the app', async () => {
    const { user, id } = await setUp();
    const received = statuses(user);
    expect(await received.next()).toBe('ACTIVE');

    await api.services.db.$executeRaw`
      UPDATE user_subscriptions SET expires_at = tessera_now() + interval '200 ms' WHERE id = ${id}::uuid`;

    expect(await received.next()).toBe('EXPIRED');
    await expect
      .poll(() => api.services.db.userSubscription.findUniqueOrThrow({ where: { id } }), { timeout: 10_000 })
      .toMatchObject({ status: 'EXPIRED' });
    await received.end();
  });

  it('starts the next traffic period and records when the job last ran', async () => {
    const nextResetAt = new Date();
    const { id } = await setUp({
      ...{ startsAt: new Date(Date.now() - 40 * 86_400_000), upload: 7n },
      ...{ resetCycle: 'MONTHLY_START_DAY', nextResetAt },
    });

    await expect
      .poll(() => api.services.db.userSubscription.findUniqueOrThrow({ where: { id } }), { timeout: 15_000 })
      .toMatchObject({ upload: 0n });

    const runs = await api.services.db.jobRun.findMany({ orderBy: { name: 'asc' } });
    expect(runs.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['expire-subscriptions', 'reset-traffic']),
    );
  });
});
