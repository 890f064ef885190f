import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { createSemaphore } from '../../../platform/concurrency/semaphore.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { PubSub } from '../../../platform/watch/pubsub.ts';
import { announce } from '../../kernel/announce.ts';
import { DEVICE_DISPLACED } from '../../kernel/topics.ts';
import type { OnlineDevice } from './device-stays.ts';
import { type DeviceSocket, LocalDevice } from './local-device.ts';
import { PresenceRecord, type PresenceServices } from './presence-record.ts';

/** Which devices are online. One of a process; it knows its own sockets, and Redis knows those of all. */
export interface Presence {
  /**
   * A socket of the device is open at this instance: the device is online, and its stay is recorded. Over the online
   * limit of its account the longest-connected device is displaced; where the limit is 0, this one at once.
   *
   * Servers that are away keep nobody out: what they have missed is made good within 8 s of their return.
   *
   * @returns says that the socket has closed; for calling more than once
   */
  arrive(device: OnlineDevice, socket: DeviceSocket): Promise<() => void>;
  /** Whether a socket of the device is open anywhere. Redis away: at this instance. */
  isOnline(device: OnlineDevice): Promise<boolean>;
  /** The devices of this instance are gone; within 3 s everybody knows, or finds out by himself. */
  close(): Promise<void>;
}

const HEARTBEAT_MS = 8_000;
const DEVICES_AT_ONCE = 250;
const LONGEST_FAREWELL_MS = 3_000;

export function createPresence(services: PresenceServices): Presence {
  return new SharedPresence(services);
}

class SharedPresence implements Presence {
  readonly #pubSub: PubSub;
  readonly #record: PresenceRecord;
  readonly #local = new Map<string, LocalDevice>();
  readonly #changes: Coalescer<OnlineDevice, undefined>;
  readonly #questions: Coalescer<OnlineDevice, boolean>;
  /** Changes and heartbeats take turns, or a heartbeat would bring back who has just left. */
  readonly #inTurn = createSemaphore(1);
  #timer: NodeJS.Timeout | undefined;
  #isBeating = false;
  #isClosed = false;

  constructor(services: PresenceServices) {
    this.#pubSub = services.pubSub;
    this.#record = new PresenceRecord(services);
    this.#changes = batcher((devices) => this.#inTurn(() => this.#tell(devices)));
    this.#questions = batcher((devices) => this.#areOnline(devices));
    this.#pubSub.onWake((topic, keys) => {
      if (topic === DEVICE_DISPLACED) void this.#beat(keys.filter((key) => this.#local.has(key)));
    });
    // Redis may have come back empty.
    this.#pubSub.onReconnect(() => void this.#beatAll());
  }

  async arrive(device: OnlineDevice, socket: DeviceSocket): Promise<() => void> {
    if (this.#isClosed) return () => {};
    const local = this.#local.get(keyOf(device)) ?? new LocalDevice(device);
    local.add(socket);
    this.#local.set(keyOf(device), local);
    this.#timer ??= setInterval(() => void this.#beatAll(), HEARTBEAT_MS).unref();
    await this.#changes.add(device);
    return () => {
      if (local.remove(socket)) this.#dropIfGone(local);
    };
  }

  isOnline(device: OnlineDevice): Promise<boolean> {
    return this.#questions.add(device);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    const devices = [...this.#local.values()];
    this.#local.clear();
    const told = Promise.all(devices.map((device) => this.#changes.add(device)));
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise((resolve) => {
      timer = setTimeout(resolve, LONGEST_FAREWELL_MS);
    });
    await Promise.race([told.then(() => this.#changes.drain()), tooLate]);
    clearTimeout(timer);
  }

  #dropIfGone(device: LocalDevice): void {
    if (!device.isGone || this.#local.get(keyOf(device)) !== device) return;
    this.#local.delete(keyOf(device));
    void this.#changes.add(device);
  }

  /** Tells of each device what is true now, whatever it was when the change was noted: so their order does not matter. */
  async #tell(changed: readonly OnlineDevice[]): Promise<undefined[]> {
    const devices = [...new Map(changed.map((device) => [keyOf(device), device])).values()];
    const isHere = (device: OnlineDevice) => this.#local.has(keyOf(device));
    const [here, gone] = [devices.filter(isHere), devices.filter((device) => !isHere(device))];
    await Promise.all([
      here.length > 0 && this.#announce(here),
      gone.length > 0 && this.#record.withdraw(gone),
    ]);
    announce({ pubSub: this.#pubSub }, { userIds: devices.map(({ userId }) => userId) });
    return changed.map(() => undefined);
  }

  async #announce(devices: readonly OnlineDevice[]): Promise<void> {
    const limits = await this.#record.openStays(devices);
    const arrivals = this.#localOnes(devices.map(keyOf))
      .map((device) => ({ device, sockets: device.fresh() }))
      .filter(({ sockets }) => sockets.length > 0);
    const placements = arrivals.map(({ device: { userId, deviceId } }) => ({
      ...{ userId, deviceId, deviceLimit: limits.get(deviceId) ?? null },
    }));
    const placed = await this.#record.place(placements);
    for (const [index, { device, sockets }] of arrivals.entries()) {
      device.connectedAt = placed[index]?.connectedAt ?? device.connectedAt;
      if (placed[index]?.wasDisplaced) device.displace();
      device.place(sockets);
    }
    this.#makeRoom(
      placements.flatMap(({ userId }, index) =>
        (placed[index]?.displaced ?? []).map((deviceId) => keyOf({ userId, deviceId })),
      ),
    );
  }

  /** Closes the sockets of the displaced devices: here at once, elsewhere when the wake-up or the heartbeat comes. */
  #makeRoom(keys: readonly string[]): void {
    for (const device of this.#localOnes(keys)) this.#displace(device);
    announce({ pubSub: this.#pubSub }, { displacedDevices: keys });
  }

  #displace(device: LocalDevice): void {
    device.displace();
    this.#dropIfGone(device);
  }

  async #beatAll(): Promise<void> {
    if (this.#isBeating) return;
    this.#isBeating = true;
    await this.#beat([...this.#local.keys()]);
    this.#isBeating = false;
  }

  async #beat(keys: readonly string[]): Promise<void> {
    for (let start = 0; start < keys.length; start += DEVICES_AT_ONCE) {
      const some = keys.slice(start, start + DEVICES_AT_ONCE);
      await this.#inTurn(() => this.#confirm(some));
    }
  }

  /** Says again that the devices are here, and finds out which of them were displaced. */
  async #confirm(keys: readonly string[]): Promise<void> {
    const present = this.#localOnes(keys);
    if (present.length === 0) return;
    const displaced = await this.#record.refresh(present);
    for (const [index, device] of present.entries()) if (displaced[index]) this.#displace(device);
    await this.#record.keepStays(this.#localOnes(keys));
  }

  async #areOnline(devices: readonly OnlineDevice[]): Promise<boolean[]> {
    const online = await this.#record.areOnline(devices);
    return online ?? devices.map((device) => this.#local.has(keyOf(device)));
  }

  #localOnes(keys: readonly string[]): LocalDevice[] {
    return keys.flatMap((key) => this.#local.get(key) ?? []);
  }
}

const keyOf = ({ userId, deviceId }: OnlineDevice) => `${userId}:${deviceId}`;

function batcher<Result>(
  work: (devices: OnlineDevice[]) => Promise<Result[]>,
): Coalescer<OnlineDevice, Result> {
  return createCoalescer({
    maxSize: DEVICES_AT_ONCE,
    maxWaiting: Number.POSITIVE_INFINITY,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
    run: async (devices: OnlineDevice[]) =>
      (await work(devices)).map((value) => ({ status: 'fulfilled' as const, value })),
  });
}
