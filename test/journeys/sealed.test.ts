import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startWorker } from '../../src/worker.ts';
import {
  DeviceLoginDocument,
  LogoutDocument,
  OrderStatusChangedDocument,
  RedeemCodeDocument,
  RefreshSessionDocument,
  RotateTransportKeyDocument,
  ViewerChangedDocument,
  ViewerDevicesDocument,
  ViewerDocument,
} from '../generated/graphql.ts';
import { newSecret, startTestApi, type TestApi } from '../support/api.ts';
import { type Client, createClient } from '../support/client.ts';
import { newCode } from '../support/codes.ts';
import { createTestDatabase } from '../support/database.ts';
import { buildPlan, buildSubscription } from '../support/factories.ts';
import { newLoggedInDevice } from '../support/going-online.ts';
import { createSealedClient, newTransportKey, requireEncryption } from '../support/sealed-client.ts';
import { tapWire, type Wire } from '../support/wire.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let [api, other]: TestApi[] = [];
let wire: Wire;
let worker: ReturnType<typeof startWorker>;
beforeAll(async () => {
  database = await createTestDatabase();
  const redisPrefix = `sealed-${randomUUID()}:`;
  const start = () => startTestApi({ databaseUrl: database.url, redisPrefix });
  [api, other] = [await start(), await start()];
  wire = await tapWire(api.url);
  worker = startWorker(api.services, { BATCH_SIZE: 128 });
  await newTransportKey(api.services);
});
afterAll(async () => {
  await wire?.close();
  await worker?.stop();
  await Promise.all([api?.close(), other?.close()]);
  await database?.drop();
});

/**
 * Runs a customer's app from its first start to an active plan. Returns what must stay
 * confidential.
 */
async function journey(app: Client): Promise<string[]> {
  const { code } = await newCode(instance(0).services);
  const [identifier, secret] = [`device-${randomUUID()}`, newSecret()];
  const { deviceLogin } = await app.get(DeviceLoginDocument, { input: { identifier, secret } });
  app.token = deviceLogin.accessToken;
  const account = app.subscribe(ViewerChangedDocument);
  await account.next();
  const { redeemCode } = await app.get(RedeemCodeDocument, { input: { code } });
  const seen: string[] = [];
  for await (const { data } of app.subscribe(OrderStatusChangedDocument, { id: redeemCode.id })) {
    seen.push(data?.orderStatusChanged.status ?? '');
  }
  expect(seen.at(-1)).toBe('FINISHED');
  let [subscription]: { status: string; credential: string }[] = [];
  while (!subscription) {
    [subscription] = (await account.next()).value?.data?.viewerChanged.subscriptions ?? [];
  }
  expect(subscription.status).toBe('ACTIVE');
  const { refreshSession } = await app.get(RefreshSessionDocument, {
    refreshToken: deviceLogin.refreshToken,
  });
  const refusal = await app.refused(RedeemCodeDocument, { input: { code } });
  expect(refusal.extensions).toMatchObject({ code: 'CODE_ALREADY_REDEEMED', orderId: redeemCode.id });
  await account.return?.();
  await app.close();
  return [
    ...[code, identifier, secret, redeemCode.id, redeemCode.orderNo, subscription.credential],
    ...[deviceLogin.accessToken, deviceLogin.refreshToken, refreshSession.accessToken, deviceLogin.user.id],
    ...[
      'Bearer',
      'FINISHED',
      'ACTIVE',
      'orderStatusChanged',
      'redeemCode',
      'deviceLogin',
      'CODE_ALREADY_REDEEMED',
    ],
  ];
}

function instance(index: 0 | 1): TestApi {
  const found = [api, other][index];
  if (!found) throw new Error('not started');
  return found;
}

/** Logs in a new device with an encrypting client. */
async function newSealedDevice(url: string, owner: { userId?: string } = {}) {
  const device = await newLoggedInDevice(instance(0).services, owner);
  return Object.assign(createSealedClient(url, device.token), {
    ...device,
    token: device.token as string | undefined,
  });
}

describe('the traffic of an app from its first start to an active plan', () => {
  it('is readable on the wire without transport encryption', async () => {
    const plaintext = await tapWire(instance(0).url);
    const secrets = await journey(createClient(plaintext.url));

    // Proves that this test can fail, although messages from websocket clients are masked.
    expect(plaintext.seen(secrets)).toEqual(secrets);
    await plaintext.close();
  });

  it('is not readable on the wire with transport encryption', async () => {
    await requireEncryption(instance(0).services);
    const secrets = await journey(createSealedClient(wire.url));

    expect(wire.size()).toBeGreaterThan(20_000);
    // Not confidential; proves that frames are readable here.
    expect(wire.seen(['application/jose', 'connection_init', '/graphql'])).toHaveLength(3);
    expect(wire.seen(secrets)).toEqual([]);
  });
});

describe('rotateTransportKey', () => {
  it('takes effect in all instances immediately, and does not affect open websockets', async () => {
    const { services } = instance(0);
    const admin = await instance(0).newAdmin();
    const app = await newSealedDevice(instance(1).url);
    const changes = app.subscribe(ViewerChangedDocument);
    await changes.next();
    await app.get(ViewerDocument);

    const { rotateTransportKey: first } = await admin.get(RotateTransportKeyDocument);
    // The app still uses the old key, which is now the previous one.
    expect((await app.get(ViewerDocument)).viewer?.id).toBe(app.userId);
    const { rotateTransportKey: second } = await admin.get(RotateTransportKeyDocument);
    expect(second.kid).not.toBe(first.kid);
    // The old key is retired now: the app fetches the new one from the other instance.
    expect((await app.get(ViewerDocument)).viewer?.id).toBe(app.userId);

    await services.db.userSubscription.deleteMany({ where: { userId: app.userId } });
    await buildSubscription(services.db, { userId: app.userId });
    const { value } = await changes.next();
    expect(value?.data?.viewerChanged.subscriptions).toHaveLength(1);
    await app.close();
  });
});

describe('an encrypting device', () => {
  it('is online while its websocket is open', async () => {
    const app = await newSealedDevice(wire.url);
    const online = async () => (await app.get(ViewerDevicesDocument)).viewer?.devices.nodes[0]?.online;
    expect(await online()).toBe(false);
    const changes = app.subscribe(ViewerChangedDocument);
    await changes.next();

    expect(await online()).toBe(true);
    await app.close();
    await vi.waitFor(async () => expect(await online()).toBe(false));
  });

  it('is disconnected with 4401 when its session is revoked', async () => {
    const app = await newSealedDevice(wire.url);
    const changes = app.subscribe(ViewerChangedDocument);
    await changes.next();

    await app.get(LogoutDocument, {});

    await expect(toTheEnd(changes)).rejects.toMatchObject({ code: 4401, reason: 'SESSION_REVOKED' });
  });

  it('is disconnected with 4409 when another device replaces it', async () => {
    const app = await newSealedDevice(wire.url);
    const { id: planId } = await buildPlan(instance(0).services.db, { deviceLimit: 1 });
    await buildSubscription(instance(0).services.db, { userId: app.userId, planId });
    const changes = app.subscribe(ViewerChangedDocument);
    await changes.next();

    const elsewhere = await newSealedDevice(instance(1).url, { userId: app.userId });
    await elsewhere.subscribe(ViewerChangedDocument).next();

    await expect(toTheEnd(changes)).rejects.toMatchObject({ code: 4409, reason: 'DEVICE_DISPLACED' });
    await elsewhere.close();
  });

  it('has its client address recorded', async () => {
    const app = await newSealedDevice(wire.url);
    const { deviceLogin } = await app.as(undefined).get(DeviceLoginDocument, {
      input: { identifier: randomUUID(), secret: newSecret() },
    });

    const session = await instance(0).services.db.session.findFirstOrThrow({
      where: { userId: deviceLogin.user.id },
    });
    expect(session.ip).toBe('127.0.0.1');
  });
});

async function toTheEnd(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}
