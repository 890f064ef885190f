import { afterAll, beforeAll, describe, it } from 'vitest';
import { figures } from '../support/lab/figures.ts';
import { becomesTrue, type Lab, startLab } from '../support/lab/lab.ts';
import { scale } from '../support/lab/profile.ts';

const LIMIT_MS = scale(60_000, 300_000);

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ api: 1, workers: 1 });
}, 60_000);
afterAll(() => lab?.close(), 60_000);

/**
 * Inserts `count` users whose subscriptions all expire at the same time, shortly after the last
 * insert.
 */
async function expiringSoon(count: number): Promise<string> {
  const planId = await lab.plan();
  const expiresAt = new Date(Date.now() + 2_000 + count / 5);
  for (let made = 0; made < count; made += 10_000)
    await lab.db.$executeRaw`
      WITH u AS (INSERT INTO users (id) SELECT gen_random_uuid() FROM generate_series(1, 10000) RETURNING id)
      INSERT INTO user_subscriptions (id, user_id, plan_id, starts_at, expires_at, token, credential)
      SELECT gen_random_uuid(), id, ${planId}::uuid, now() - interval '2 days', ${expiresAt}, id::text, id FROM u`;
  return planId;
}

describe('a sweep whose worker is killed repeatedly', () => {
  const [count, kills] = [scale(20_000, 100_000), scale(2, 10)];
  it(
    'is resumed by the next worker, and expires each subscription once',
    async () => {
      const planId = await expiringSoon(count);
      const expired = (version?: number) =>
        lab.db.userSubscription.count({ where: { planId, status: 'EXPIRED', ...(version && { version }) } });

      const left: number[] = [];
      for (let kill = 1; kill <= kills; kill++) {
        const share = (count * kill) / (kills + 1);
        await becomesTrue(async () => (await expired()) >= share, 30_000);
        await lab.cluster.workers.pop()?.kill9();
        left.push(count - (await expired()));
        await lab.cluster.start('worker');
      }
      await becomesTrue(async () => (await expired()) === count, 60_000);

      figures(`a sweep of ${count}, its worker killed ${kills} times`, [
        { name: 'left after the last kill', value: left.at(-1) ?? 0, atLeast: 1 },
        { name: 'expired', value: await expired(), exactly: count },
        { name: 'expired once', value: await expired(2), exactly: count },
      ]);
    },
    LIMIT_MS,
  );
});
