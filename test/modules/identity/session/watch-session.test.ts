import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createSessionWatch } from '../../../../src/modules/identity/session/watch-session.ts';
import { SESSION_ENDED } from '../../../../src/modules/kernel/topics.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import type { EndWatch } from '../../../../src/platform/watch/end-watch.ts';
import type { PubSub } from '../../../../src/platform/watch/pubsub.ts';
import { buildDevice, buildSession } from '../../../support/factories.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
let sessions: EndWatch;
beforeAll(async () => {
  services = await createTestServices();
  sessions = watchWithoutWakeUps(50);
});
afterAll(() => services.close());

function watchWithoutWakeUps(pollMs: number): EndWatch {
  const withoutWakeUps = { onWake: () => () => {}, onReconnect: () => () => {} } as unknown as PubSub;
  return createSessionWatch({ ...services, pubSub: withoutWakeUps }, { pollMs });
}

async function newSession() {
  const { id: deviceId, userId } = await buildDevice(services.db);
  const { id: sessionId } = await buildSession(services.db, { userId, deviceId });
  return { sessionId, userId, deviceId };
}
type Watched = Awaited<ReturnType<typeof newSession>>;

/**
 * Resolves after a poll that began after this call: once a newly watched, deleted session is
 * reported.
 */
async function nextPoll(): Promise<void> {
  const { sessionId: id } = await newSession();
  await services.db.session.delete({ where: { id } });
  const ended = vi.fn();
  sessions.watch(id, ended);
  await vi.waitFor(() => expect(ended).toHaveBeenCalledOnce(), { timeout: 3_000 });
}

describe('createSessionWatch', () => {
  it.each<[string, (watched: Watched) => Promise<unknown>]>([
    [
      'the session is revoked',
      ({ sessionId: id }) => services.db.session.update({ where: { id }, data: { revokedAt: new Date() } }),
    ],
    ['the session is deleted', ({ sessionId: id }) => services.db.session.delete({ where: { id } })],
    [
      'the session expires',
      ({ sessionId: id }) => services.db.session.update({ where: { id }, data: { expiresAt: new Date() } }),
    ],
    [
      'the user is disabled',
      ({ userId: id }) => services.db.user.update({ where: { id }, data: { enabled: false } }),
    ],
    [
      'the account is closed',
      ({ userId: id }) => services.db.user.update({ where: { id }, data: { deletedAt: new Date() } }),
    ],
    [
      'the device is disabled',
      ({ deviceId: id }) => services.db.device.update({ where: { id }, data: { enabled: false } }),
    ],
    ['the device is deleted', ({ deviceId: id }) => services.db.device.delete({ where: { id } })],
  ])('reports once, by polling alone, when %s', async (_, end) => {
    const watched = await newSession();
    const ended = vi.fn();
    // Watched in the same turn as the session of nextPoll(), so that one poll checks both, in this
    // order.
    const stop = sessions.watch(watched.sessionId, ended);
    await nextPoll();
    expect(ended).not.toHaveBeenCalled();

    await end(watched);

    await vi.waitFor(() => expect(ended).toHaveBeenCalledOnce(), { timeout: 3_000 });
    stop();
  });

  it('reports a session that was revoked before the watch began', async () => {
    const { sessionId } = await newSession();
    await services.db.session.update({ where: { id: sessionId }, data: { revokedAt: new Date() } });
    const ended = vi.fn();

    sessions.watch(sessionId, ended);

    await vi.waitFor(() => expect(ended).toHaveBeenCalledOnce(), { timeout: 3_000 });
  });

  it('reports nothing after the watch has stopped, and releases its entry', async () => {
    const [{ sessionId }, other] = [await newSession(), await newSession()];
    const [ended, otherEnded] = [vi.fn(), vi.fn()];
    const before = sessions.size;
    const stop = sessions.watch(sessionId, ended);
    sessions.watch(other.sessionId, otherEnded);

    stop();
    await services.db.session.updateMany({ data: { revokedAt: new Date() } });

    await vi.waitFor(() => expect(otherEnded).toHaveBeenCalledOnce(), { timeout: 3_000 });
    expect(ended).not.toHaveBeenCalled();
    expect(sessions.size).toBe(before);
  });

  it('notifies all watchers of a session except those that have stopped', async () => {
    const { sessionId } = await newSession();
    const [first, second, third] = [vi.fn(), vi.fn(), vi.fn()];
    sessions.watch(sessionId, first);
    sessions.watch(sessionId, second)();
    sessions.watch(sessionId, third);
    await nextPoll();

    await services.db.session.delete({ where: { id: sessionId } });

    await vi.waitFor(() => expect(third).toHaveBeenCalledOnce(), { timeout: 3_000 });
    expect(first).toHaveBeenCalledOnce();
    expect(second).not.toHaveBeenCalled();
  });

  it('reports immediately after a wake-up, and does not poll in between', async () => {
    const HOUR_MS = 3_600_000;
    const woken = createSessionWatch(services, { pollMs: HOUR_MS });
    const [{ sessionId: id }, other] = [await newSession(), await newSession()];
    const [ended, otherEnded] = [vi.fn(), vi.fn()];
    woken.watch(id, ended);
    woken.watch(other.sessionId, otherEnded);

    services.pubSub.publish(SESSION_ENDED, [id, other.sessionId]);
    await services.db.session.delete({ where: { id } });
    services.pubSub.publish(SESSION_ENDED, [id]);

    await vi.waitFor(() => expect(ended).toHaveBeenCalledOnce(), { timeout: 1_000 });
    expect(otherEnded).not.toHaveBeenCalled();
    expect(woken.size).toBe(1);
  });

  it('keeps polling after a PostgreSQL outage', async () => {
    let isUnavailable = true;
    const db = {
      $queryRaw: (...query: Parameters<typeof services.db.$queryRaw>) =>
        isUnavailable ? Promise.reject(new Error('unavailable')) : services.db.$queryRaw(...query),
    } as unknown as RunningServices['db'];
    const withoutWakeUps = { onWake: () => () => {}, onReconnect: () => () => {} } as unknown as PubSub;
    const warn = vi.fn();
    const log = { warn } as unknown as RunningServices['log'];
    const watch = createSessionWatch({ db, pubSub: withoutWakeUps, log }, { pollMs: 20 });
    const { sessionId: id } = await newSession();
    await services.db.session.delete({ where: { id } });
    const ended = vi.fn();
    watch.watch(id, ended);
    await vi.waitFor(() => expect(warn).toHaveBeenCalled(), { timeout: 3_000 });
    expect(ended).not.toHaveBeenCalled();

    isUnavailable = false;

    await vi.waitFor(() => expect(ended).toHaveBeenCalledOnce(), { timeout: 3_000 });
  });
});
