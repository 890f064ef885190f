import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { createSemaphore } from '../../../platform/concurrency/semaphore.ts';
import { withTimeLimit } from '../../../platform/concurrency/time-limit.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { PubSub } from '../../../platform/watch/pubsub.ts';
import { announce } from '../../kernel/announce.ts';
import { DEVICE_DISPLACED, PLAN_CHANGED, USER_CHANGED } from '../../kernel/topics.ts';
import type { OnlineDevice } from './device-stays.ts';
import { type DeviceSocket, LocalDevice } from './local-device.ts';
import { PresenceRecord, type PresenceServices } from './presence-record.ts';

/**
 * Tracks which devices are online. Each process has one, with the sockets of its own instance;
 * Redis has those of all instances.
 */
export interface Presence {
  /**
   * Registers an open socket of a device. The device is then online, and its presence interval is
   * recorded. If that exceeds the online limit of the account, the longest-connected device is
   * displaced; with a limit of 0, this one. If the limit falls later, the devices above it are
   * displaced within seconds.
   *
   * Never fails. While Redis or PostgreSQL is unavailable the device may connect, and a heartbeat
   * records it within 8 s of the recovery of Redis, and 38 s of that of PostgreSQL.
   *
   * @returns a function to call when the socket has closed; idempotent
   */
  connect(device: OnlineDevice, socket: DeviceSocket): Promise<() => void>;
  /**
   * Whether the device has an open socket at any instance or, while Redis is unavailable, at this
   * one.
   */
  isOnline(device: OnlineDevice): Promise<boolean>;
  /**
   * Marks this instance's devices offline. Waits at most 3 s; after that, other instances detect it
   * by timeout.
   */
  close(): Promise<void>;
}

const HEARTBEAT_MS = 8_000;
/** How often recorded presence intervals are compared with the open sockets. */
const REPAIR_MS = 30_000;
const LIMIT_DELAY_MS = 1_000;
const GROUP_SIZE = 250;
const CLOSE_LIMIT_MS = 3_000;

export function createPresence(services: PresenceServices): Presence {
  return new SharedPresence(services);
}

class SharedPresence implements Presence {
  readonly #pubSub: PubSub;
  readonly #record: PresenceRecord;
  readonly #devices = new Map<string, LocalDevice>();
  readonly #changes: Coalescer<OnlineDevice, undefined>;
  readonly #reads: Coalescer<OnlineDevice, boolean>;
  /**
   * Runs changes and heartbeats one at a time: a concurrent heartbeat would restore a device that
   * disconnects.
   */
  readonly #serially = createSemaphore(1);
  #timer: NodeJS.Timeout | undefined;
  /** Accounts whose limit may have fallen. */
  readonly #changedUsers = new Set<string>();
  #limitTimer: NodeJS.Timeout | undefined;
  #isSendingHeartbeats = false;
  #repairedAt = 0;
  #isClosed = false;

  constructor(services: PresenceServices) {
    this.#pubSub = services.pubSub;
    this.#record = new PresenceRecord(services);
    this.#changes = coalesce((devices) => this.#serially(() => this.#recordChanges(devices)));
    this.#reads = coalesce((devices) => this.#areOnline(devices));
    this.#pubSub.onWake((topic, keys) => {
      if (topic === USER_CHANGED) this.#limitSoon(keys);
      if (topic === PLAN_CHANGED) this.#limitAllSoon();
      if (topic === DEVICE_DISPLACED) {
        void this.#sendHeartbeats(
          keys.filter((key) => this.#devices.has(key)),
          { repairs: true },
        );
      }
    });
    // Redis may have restarted empty.
    this.#pubSub.onReconnect(() => {
      void this.#sendAllHeartbeats();
      this.#limitAllSoon();
    });
  }

  async connect(device: OnlineDevice, socket: DeviceSocket): Promise<() => void> {
    if (this.#isClosed) return () => {};
    const local = this.#devices.get(keyOf(device)) ?? new LocalDevice(device);
    local.add(socket);
    this.#devices.set(keyOf(device), local);
    this.#timer ??= setInterval(() => void this.#sendAllHeartbeats(), HEARTBEAT_MS).unref();
    await this.#changes.add(device);
    return () => {
      if (local.remove(socket)) this.#disconnectIfUnused(local);
    };
  }

  isOnline(device: OnlineDevice): Promise<boolean> {
    return this.#reads.add(device);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#limitTimer);
    const devices = [...this.#devices.values()];
    this.#devices.clear();
    const disconnected = Promise.all(devices.map((device) => this.#changes.add(device)));
    await withTimeLimit(
      disconnected.then(() => this.#changes.drain()),
      CLOSE_LIMIT_MS,
      () => {},
    );
  }

  #disconnectIfUnused(device: LocalDevice): void {
    if (device.hasSockets || this.#devices.get(keyOf(device)) !== device) return;
    this.#devices.delete(keyOf(device));
    void this.#changes.add(device);
  }

  /**
   * Records the current state of each device, not the state at the time of the change, so that
   * order is irrelevant.
   */
  async #recordChanges(changed: readonly OnlineDevice[]): Promise<undefined[]> {
    const devices = [...new Map(changed.map((device) => [keyOf(device), device])).values()];
    const isConnected = (device: OnlineDevice) => this.#devices.has(keyOf(device));
    const connected = devices.filter(isConnected);
    const disconnected = devices.filter((device) => !isConnected(device));
    await Promise.all([
      connected.length > 0 && this.#recordConnected(connected),
      disconnected.length > 0 && this.#record.disconnect(disconnected),
    ]);
    announce({ pubSub: this.#pubSub }, { userIds: devices.map(({ userId }) => userId) });
    return changed.map(() => undefined);
  }

  async #recordConnected(devices: readonly OnlineDevice[]): Promise<void> {
    const limits = await this.#record.openStays(devices);
    const connecting = this.#localDevices(devices.map(keyOf))
      .map((device) => ({ device, sockets: device.connectingSockets() }))
      .filter(({ sockets }) => sockets.length > 0);
    const results = await this.#record.connect(
      connecting.map(({ device: { userId, deviceId } }) => ({
        ...{ userId, deviceId, deviceLimit: limits.get(deviceId) ?? null },
      })),
    );
    for (const [index, { device, sockets }] of connecting.entries()) {
      device.connectedAt = results[index]?.connectedAt ?? device.connectedAt;
      if (results[index]?.wasDisplaced) device.displace();
      device.markConnected(sockets);
    }
    this.#displaceAll(
      connecting.flatMap(({ device: { userId } }, index) =>
        (results[index]?.displaced ?? []).map((deviceId) => keyOf({ userId, deviceId })),
      ),
    );
  }

  /**
   * Closes the sockets of displaced devices: here immediately, elsewhere after a wake-up or the
   * next heartbeat.
   */
  #displaceAll(keys: readonly string[]): void {
    for (const device of this.#localDevices(keys)) this.#displace(device);
    announce({ pubSub: this.#pubSub }, { displacedDevices: keys });
  }

  #displace(device: LocalDevice): void {
    device.displace();
    this.#disconnectIfUnused(device);
  }

  #limitAllSoon(): void {
    this.#limitSoon([...this.#devices.values()].map(({ userId }) => userId));
  }

  /**
   * Displaces devices above limits that have fallen: a plan was edited, or a larger one ended.
   * Waits a second, so that changes of many accounts share statements.
   */
  #limitSoon(userIds: readonly string[]): void {
    if (this.#isClosed || this.#devices.size === 0) return;
    for (const userId of userIds) this.#changedUsers.add(userId);
    this.#limitTimer ??= setTimeout(() => void this.#limitChanged(), LIMIT_DELAY_MS).unref();
  }

  async #limitChanged(): Promise<void> {
    const changed = new Set(this.#changedUsers);
    this.#changedUsers.clear();
    this.#limitTimer = undefined;
    const local = new Set([...this.#devices.values()].map(({ userId }) => userId));
    const userIds = [...local].filter((userId) => changed.has(userId));
    for (let start = 0; start < userIds.length; start += GROUP_SIZE) {
      const displaced = await this.#record.limit(userIds.slice(start, start + GROUP_SIZE));
      this.#displaceAll(displaced.map(keyOf));
    }
  }

  async #sendAllHeartbeats(): Promise<void> {
    if (this.#isSendingHeartbeats) return;
    this.#isSendingHeartbeats = true;
    const repairs = performance.now() - this.#repairedAt >= REPAIR_MS;
    if (repairs) this.#repairedAt = performance.now();
    await this.#sendHeartbeats([...this.#devices.keys()], { repairs });
    this.#isSendingHeartbeats = false;
  }

  async #sendHeartbeats(keys: readonly string[], { repairs }: { repairs: boolean }): Promise<void> {
    for (let start = 0; start < keys.length; start += GROUP_SIZE) {
      const group = keys.slice(start, start + GROUP_SIZE);
      await this.#serially(() => this.#sendHeartbeat(group, { repairs }));
    }
  }

  /**
   * Renews the entries of connected devices in Redis, and closes the sockets of those that another
   * instance displaced.
   */
  async #sendHeartbeat(keys: readonly string[], { repairs }: { repairs: boolean }): Promise<void> {
    const devices = this.#localDevices(keys);
    if (devices.length === 0) return;
    const displaced = await this.#record.heartbeat(devices);
    for (const [index, device] of devices.entries()) if (displaced[index]) this.#displace(device);
    if (repairs) await this.#record.repairStays(this.#localDevices(keys));
  }

  async #areOnline(devices: readonly OnlineDevice[]): Promise<boolean[]> {
    const online = await this.#record.areOnline(devices);
    return online ?? devices.map((device) => this.#devices.has(keyOf(device)));
  }

  #localDevices(keys: readonly string[]): LocalDevice[] {
    return keys.flatMap((key) => this.#devices.get(key) ?? []);
  }
}

const keyOf = ({ userId, deviceId }: OnlineDevice) => `${userId}:${deviceId}`;

function coalesce<Result>(
  run: (devices: OnlineDevice[]) => Promise<Result[]>,
): Coalescer<OnlineDevice, Result> {
  return createCoalescer({
    maxSize: GROUP_SIZE,
    maxWaiting: Number.POSITIVE_INFINITY,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
    run: async (devices: OnlineDevice[]) =>
      (await run(devices)).map((value) => ({ status: 'fulfilled' as const, value })),
  });
}
