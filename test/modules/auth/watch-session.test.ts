import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { watchedSessions, whenSessionEnds } from '../../../src/modules/auth/watch-session.ts';
import type { PubSub } from '../../../src/platform/pubsub.ts';
import type { RunningServices } from '../../../src/platform/services.ts';
import { createWatcher, type Watcher } from '../../../src/platform/watch.ts';
import type { WatchKind } from '../../../src/platform/watch-kind.ts';
import { buildDevice, buildSession } from '../../support/factories.ts';
import { createTestServices } from '../../support/services.ts';

let services: RunningServices;
let watcher: Watcher;
let kind: WatchKind;
beforeAll(async () => {
  services = await createTestServices();
  const deaf: Pick<PubSub, 'onWake' | 'onReconnect'> = {
    onWake: () => () => {},
    onReconnect: () => () => {},
  };
  watcher = createWatcher({ pubSub: deaf, log: services.log, pollMs: 50, maxReads: 1 });
  kind = watchedSessions({ db: services.db, watcher });
});
afterAll(async () => {
  watcher.close();
  await services.close();
});

async function newSession() {
  const { id: deviceId, userId } = await buildDevice(services.db);
  const { id: sessionId } = await buildSession(services.db, { userId, deviceId });
  return { sessionId, userId, deviceId };
}
type Watched = Awaited<ReturnType<typeof newSession>>;

/** Until the poll has seen the session as it is: the first poll wakes everybody, later ones only upon a change. */
async function firstPoll(sessionId: string): Promise<void> {
  const stream = kind.watch(sessionId, async () => true);
  await stream.next();
  await stream.next();
  await stream.return();
}

describe('whenSessionEnds', () => {
  it.each<[string, (watched: Watched) => Promise<unknown>]>([
    [
      'it is revoked',
      ({ sessionId: id }) => services.db.session.update({ where: { id }, data: { revokedAt: new Date() } }),
    ],
    ['it is deleted', ({ sessionId: id }) => services.db.session.delete({ where: { id } })],
    [
      'its time is over',
      ({ sessionId: id }) => services.db.session.update({ where: { id }, data: { expiresAt: new Date() } }),
    ],
    [
      'its account is disabled',
      ({ userId: id }) => services.db.user.update({ where: { id }, data: { enabled: false } }),
    ],
    [
      'its account is closed',
      ({ userId: id }) => services.db.user.update({ where: { id }, data: { deletedAt: new Date() } }),
    ],
    [
      'its device is disabled',
      ({ deviceId: id }) => services.db.device.update({ where: { id }, data: { enabled: false } }),
    ],
    ['its device is deleted', ({ deviceId: id }) => services.db.device.delete({ where: { id } })],
  ])('tells once, by the poll alone, when %s', async (_, end) => {
    const watched = await newSession();
    const ended = vi.fn();
    // Both begin at once, so that the same poll is the first of both, and what it wakes is read in this order.
    const stop = whenSessionEnds({ ...services, watchedSessions: kind }, watched.sessionId, ended);
    await firstPoll(watched.sessionId);
    expect(ended).not.toHaveBeenCalled();

    await end(watched);

    await vi.waitFor(() => expect(ended).toHaveBeenCalledOnce(), { timeout: 3_000 });
    stop();
  });

  it('tells at once of a session that had ended before', async () => {
    const { sessionId } = await newSession();
    await services.db.session.update({ where: { id: sessionId }, data: { revokedAt: new Date() } });
    const ended = vi.fn();

    whenSessionEnds({ ...services, watchedSessions: kind }, sessionId, ended);

    await vi.waitFor(() => expect(ended).toHaveBeenCalledOnce(), { timeout: 3_000 });
  });

  it('says nothing to whoever has stopped watching, and keeps nothing', async () => {
    const [{ sessionId }, other] = [await newSession(), await newSession()];
    const [ended, otherEnded] = [vi.fn(), vi.fn()];
    const before = kind.size;
    const stop = whenSessionEnds({ ...services, watchedSessions: kind }, sessionId, ended);
    whenSessionEnds({ ...services, watchedSessions: kind }, other.sessionId, otherEnded);

    stop();
    await services.db.session.updateMany({ data: { revokedAt: new Date() } });

    await vi.waitFor(() => expect(otherEnded).toHaveBeenCalledOnce(), { timeout: 3_000 });
    expect(ended).not.toHaveBeenCalled();
    expect(kind.size).toBe(before);
  });
});
