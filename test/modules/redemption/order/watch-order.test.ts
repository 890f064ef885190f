import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { activateOrders } from '../../../../src/modules/redemption/activate/activate-orders.ts';
import { OrderDocument, OrderStatusChangedDocument, RedeemCodeDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import type { Client } from '../../../support/client.ts';
import { newCode } from '../../../support/codes.ts';
import { eventually } from '../../../support/redeeming.ts';
import { type RedisProcess, startRedisProcess } from '../../../support/redis-process.ts';

let redis: RedisProcess;
let api: TestApi;
beforeAll(async () => {
  redis = await startRedisProcess();
  await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  api = await startTestApi({ redisUrl: redis.url });
});
afterAll(async () => {
  await api.close();
  await redis.remove();
});

/** Creates a PAID order of a new user. No worker is running to activate it. */
async function paid() {
  const user = await api.newUser();
  const { code } = await newCode(api.services);
  const { redeemCode } = await user.get(RedeemCodeDocument, { input: { code } });
  return { user, id: redeemCode.id };
}

const activate = (id: string) => activateOrders(api.services, [id]);

/** Collects the statuses, without repetitions; `first` resolves with the first message. */
function watch(client: Client, id: string) {
  const messages = client.subscribe(OrderStatusChangedDocument, { id });
  const seen: string[] = [];
  let opened = () => {};
  const first = new Promise<void>((resolve) => {
    opened = resolve;
  });
  const all = (async () => {
    for await (const { data } of messages) {
      const status = data?.orderStatusChanged.status ?? 'none';
      if (seen.at(-1) !== status) seen.push(status);
      opened();
    }
    return seen;
  })();
  return { first, all };
}

describe('orderStatusChanged', () => {
  it('sends the current order, then the finished one, then completes', async () => {
    const { user, id } = await paid();
    const { first, all } = watch(user, id);
    await first;

    await activate(id);

    expect(await all).toEqual(['PAID', 'FINISHED']);
  });

  it('sends the finished order within a second, before the next poll', async () => {
    const { user, id } = await paid();
    const { first, all } = watch(user, id);
    await first;

    const startedAt = performance.now();
    await activate(id);
    await all;

    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it('sends a finished order once, with its subscription, and completes', async () => {
    const { user, id } = await paid();
    await activate(id);

    const messages = [];
    for await (const { data } of user.subscribe(OrderStatusChangedDocument, { id })) messages.push(data);

    expect(messages).toHaveLength(1);
    const { order } = await user.get(OrderDocument, { id });
    expect(messages[0]?.orderStatusChanged).toEqual(order);
    expect(order).toMatchObject({ status: 'FINISHED', subscription: { status: 'ACTIVE' } });
  });

  it('sends the change to each of several subscribers of one account', async () => {
    const { user, id } = await paid();
    const elsewhere = user.as(user.token);
    const watchers = [watch(user, id), watch(user, id.toUpperCase()), watch(elsewhere, id)];
    await Promise.all(watchers.map(({ first }) => first));

    await activate(id);

    for (const { all } of watchers) expect(await all).toEqual(['PAID', 'FINISHED']);
    await elsewhere.close();
  });

  it('sends the missed change first to a client that reconnects', async () => {
    const { user, id } = await paid();
    const { first, all } = watch(user, id);
    await first;
    await user.close();
    await all.catch(() => {});

    await activate(id);

    const again = user.as(user.token);
    expect(await watch(again, id).all).toEqual(['FINISHED']);
    await again.close();
  });

  it('sends a change within seconds while pub/sub is down', async () => {
    const { user, id } = await paid();
    const { first, all } = watch(user, id);
    await first;
    await redis.kill();
    try {
      // As another process would, without a wake-up.
      await api.services.db.$executeRaw`
        UPDATE orders SET status = 'FAILED', failure_code = 'ACTIVATION_FAILED', finished_at = tessera_now(),
          next_attempt_at = NULL, is_new = false WHERE id = ${id}::uuid`;
      expect(await all).toEqual(['PAID', 'FAILED']);
    } finally {
      await redis.start();
      await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
      await eventually(() =>
        api.services.redis.exists('anything').then(
          () => true,
          () => false,
        ),
      );
    }
  });
});

describe('an order of another user', () => {
  let owner: TestUser;
  let stranger: TestUser;
  let id: string;
  beforeAll(async () => {
    ({ user: owner, id } = await paid());
    stranger = await api.newUser();
  });
  const withoutId = (error: unknown) => JSON.stringify(error).replace(/"requestId":"[^"]+"/, '');

  it('is refused with the same bytes as one that does not exist', async () => {
    const foreign = await stranger.refused(OrderDocument, { id });
    const missing = await stranger.refused(OrderDocument, { id: randomUUID() });

    expect(foreign.extensions.code).toBe('NOT_FOUND');
    expect(withoutId(foreign)).toBe(withoutId(missing));
    expect((await owner.get(OrderDocument, { id })).order?.id).toBe(id);
  });

  it('cannot be watched and gets the same refusal as one that does not exist', async () => {
    const refusal = (orderId: string) =>
      stranger
        .subscribe(OrderStatusChangedDocument, { id: orderId })
        .next()
        .then(
          (message) => Promise.reject(new Error(`not refused: ${JSON.stringify(message)}`)),
          (errors: unknown) => withoutId(errors),
        );

    const foreign = await refusal(id);

    expect(foreign).toContain('"NOT_FOUND"');
    expect(foreign).toBe(await refusal(randomUUID()));
    expect(await refusal('no id')).toContain('"NOT_FOUND"');
  });

  it('can be read and watched by an admin', async () => {
    const admin = await api.newAdmin();
    expect((await admin.get(OrderDocument, { id })).order?.id).toBe(id);
    await activate(id);
    expect(await watch(admin, id).all).toEqual(['FINISHED']);
  });
});
