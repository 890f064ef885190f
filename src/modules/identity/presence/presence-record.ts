import { randomUUID } from 'node:crypto';
import type { Services } from '../../../platform/services.ts';
import { devicesWithoutStay, endStays, type OnlineDevice, openStays } from './device-stays.ts';
import { readOnlineLimits } from './online-limits.ts';
import {
  type ConnectingDevice,
  type ConnectResult,
  createPresenceTable,
  type PresenceTable,
} from './presence-table.ts';

export type PresenceServices = Pick<Services, 'processId' | 'db' | 'redis' | 'pubSub' | 'log'>;

/**
 * The presence of this instance's devices as Redis (current) and PostgreSQL (history) record it.
 * Methods never reject: they log the failure, and a later heartbeat repairs the record.
 */
export class PresenceRecord {
  readonly #services: PresenceServices;
  readonly #table: PresenceTable;

  constructor(services: PresenceServices) {
    this.#services = services;
    this.#table = createPresenceTable(services, { instanceId: randomUUID() });
  }

  /**
   * Returns the online limit of each device, as `openStays` does; an empty map if PostgreSQL is
   * unavailable.
   */
  openStays(devices: readonly OnlineDevice[]): Promise<Map<string, number | null>> {
    return this.#attempt(() => openStays(this.#services, idsOf(devices)), new Map());
  }

  /** Returns an empty array if Redis is unavailable. */
  connect(devices: readonly ConnectingDevice[]): Promise<ConnectResult[]> {
    return this.#attempt(() => this.#table.connect(devices), []);
  }

  /**
   * Displaces the devices above the present limits of accounts. Returns them; an empty array if
   * Redis or PostgreSQL is unavailable.
   */
  async limit(userIds: readonly string[]): Promise<OnlineDevice[]> {
    const accounts = await this.#attempt(() => readOnlineLimits(this.#services, userIds), []);
    if (accounts.length === 0) return [];
    const displaced = await this.#attempt(() => this.#table.limit(accounts), []);
    return accounts.flatMap(({ userId }, index) =>
      (displaced[index] ?? []).map((deviceId) => ({ userId, deviceId })),
    );
  }

  /**
   * Removes devices from this instance, and ends the presence intervals of those that no other
   * instance has.
   */
  async disconnect(devices: readonly OnlineDevice[]): Promise<void> {
    const elsewhere = await this.#attempt(() => this.#table.disconnect(devices), []);
    const offline = devices.filter((_, index) => !elsewhere[index]);
    if (offline.length > 0) await this.#attempt(() => endStays(this.#services, offline), undefined);
  }

  /** Returns for each device whether it was displaced; an empty array if Redis is unavailable. */
  heartbeat(devices: Parameters<PresenceTable['heartbeat']>[0]): Promise<boolean[]> {
    return this.#attempt(() => this.#table.heartbeat(devices), []);
  }

  /**
   * Opens the presence intervals that are missing, whose process no longer runs, or that the sweep
   * ended too early.
   */
  async repairStays(devices: readonly OnlineDevice[]): Promise<void> {
    const missing = await this.#attempt(() => devicesWithoutStay(this.#services, idsOf(devices)), []);
    if (missing.length > 0) await this.#attempt(() => openStays(this.#services, missing), undefined);
  }

  /**
   * Returns for each device whether it is online at any instance; undefined if Redis is
   * unavailable.
   */
  async areOnline(devices: readonly OnlineDevice[]): Promise<boolean[] | undefined> {
    const userIds = [...new Set(devices.map(({ userId }) => userId))];
    const online = await this.#attempt(() => this.#table.readOnline(userIds), undefined);
    if (!online) return undefined;
    const byUser = new Map(userIds.map((userId, index) => [userId, online[index]]));
    return devices.map(({ userId, deviceId }) => byUser.get(userId)?.has(deviceId) ?? false);
  }

  async #attempt<T, Fallback>(work: () => Promise<T>, fallback: Fallback): Promise<T | Fallback> {
    try {
      return await work();
    } catch (err) {
      this.#services.log.warn(
        { err },
        'failed to read or update device presence; the next heartbeat retries',
      );
      return fallback;
    }
  }
}

const idsOf = (devices: readonly OnlineDevice[]) => devices.map(({ deviceId }) => deviceId);
