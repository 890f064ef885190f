import { randomUUID } from 'node:crypto';
import type { Services } from '../../../platform/services.ts';
import { endStays, type OnlineDevice, openStays, refreshStays } from './device-stays.ts';
import { createPresenceTable, type Placed, type Placement, type PresenceTable } from './presence-table.ts';

export type PresenceServices = Pick<Services, 'db' | 'redis' | 'pubSub' | 'log'>;

/** Presence as Redis and PostgreSQL have it. What fails is logged, and made good by a later heartbeat. */
export class PresenceRecord {
  readonly #services: PresenceServices;
  readonly #table: PresenceTable;

  constructor(services: PresenceServices) {
    this.#services = services;
    this.#table = createPresenceTable(services, { instanceId: randomUUID() });
  }

  /** Their stays go on. Gives the online limits that are known. */
  openStays(devices: readonly OnlineDevice[]): Promise<Map<string, number | null>> {
    return this.#attempt(() => openStays(this.#services, idsOf(devices)), new Map());
  }

  /** Empty when Redis is away. */
  place(placements: readonly Placement[]): Promise<Placed[]> {
    return this.#attempt(() => this.#table.place(placements), []);
  }

  /** They are gone from here; the stays of those that are nowhere else end. */
  async withdraw(devices: readonly OnlineDevice[]): Promise<void> {
    const elsewhere = await this.#attempt(() => this.#table.remove(devices), []);
    const gone = devices.filter((_, index) => !elsewhere[index]);
    if (gone.length > 0) await this.#attempt(() => endStays(this.#services, gone), undefined);
  }

  /** They are still here; for each whether it was displaced meanwhile. */
  refresh(devices: Parameters<PresenceTable['refresh']>[0]): Promise<boolean[]> {
    return this.#attempt(() => this.#table.refresh(devices), []);
  }

  /** Their stays last until now; one that is missing, or was ended by somebody who did not know, is opened again. */
  async keepStays(devices: readonly OnlineDevice[]): Promise<void> {
    const missing = await this.#attempt(() => refreshStays(this.#services, idsOf(devices)), []);
    if (missing.length > 0) await this.#attempt(() => openStays(this.#services, missing), undefined);
  }

  /** For each whether it is online anywhere; undefined when Redis is away. */
  async areOnline(devices: readonly OnlineDevice[]): Promise<boolean[] | undefined> {
    const userIds = [...new Set(devices.map(({ userId }) => userId))];
    const online = await this.#attempt(() => this.#table.online(userIds), undefined);
    if (!online) return undefined;
    const byUser = new Map(userIds.map((userId, index) => [userId, online[index]]));
    return devices.map(({ userId, deviceId }) => byUser.get(userId)?.has(deviceId) ?? false);
  }

  async #attempt<T, Otherwise>(work: () => Promise<T>, otherwise: Otherwise): Promise<T | Otherwise> {
    try {
      return await work();
    } catch (err) {
      this.#services.log.warn(
        { err },
        'the presence of some devices could not be told or asked; later again',
      );
      return otherwise;
    }
  }
}

const idsOf = (devices: readonly OnlineDevice[]) => devices.map(({ deviceId }) => deviceId);
