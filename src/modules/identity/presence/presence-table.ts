import type { Services } from '../../../platform/services.ts';
import type { OnlineDevice } from './device-stays.ts';
import { ONLINE, PLACE, REFRESH, REMOVE } from './presence-scripts.ts';

/** An instance that has died without a word is forgotten after this time. */
const TTL_MS = 25_000;

/** A device that has just connected to this instance. */
export interface Placement extends OnlineDevice {
  /** How many devices of the account may be online; null means unlimited. */
  deviceLimit: number | null;
}

/** What came of it. */
export interface Placed {
  /** Its earlier sockets at this instance were displaced; it begins anew. */
  wasDisplaced: boolean;
  /** Since when it is connected here, in milliseconds by Redis' clock. */
  connectedAt: number;
  /** The devices that had to make room, itself among them when there is none at all. */
  displaced: string[];
}

/**
 * Who is online where, in one Redis hash for each account, by Redis' clock. Each call is one script, so instances
 * cannot come in between.
 *
 * @throws RedisUnavailableError
 */
export interface PresenceTable {
  /** The devices are connected to this instance. Over the limit the longest-connected ones are displaced. */
  place(placements: readonly Placement[]): Promise<Placed[]>;
  /** They still are; for each whether it was displaced meanwhile. What Redis has lost is put back. */
  refresh(devices: readonly (OnlineDevice & { connectedAt: number | undefined })[]): Promise<boolean[]>;
  /** They are gone from this instance; for each whether it is online at another. */
  remove(devices: readonly OnlineDevice[]): Promise<boolean[]>;
  /** The devices that are online, for each of the accounts. */
  online(userIds: readonly string[]): Promise<Set<string>[]>;
}

/** @param instanceId of this process, like no other's */
export function createPresenceTable(
  { redis }: Pick<Services, 'redis'>,
  { instanceId }: { instanceId: string },
): PresenceTable {
  const run = (script: string, userIds: readonly string[], args: readonly (string | number)[]) =>
    redis.eval(script, userIds.length, ...userIds.map(keyOf), instanceId, TTL_MS, ...args);
  const users = (devices: readonly OnlineDevice[]) => devices.map(({ userId }) => userId);
  return {
    place: async (placements) => {
      const args = placements.flatMap(({ deviceId, deviceLimit }) => [deviceId, deviceLimit ?? '']);
      const placed = (await run(PLACE, users(placements), args)) as [number, string, ...string[]][];
      return placed.map(([wasDisplaced, connectedAt, ...displaced]) => ({
        wasDisplaced: wasDisplaced === 1,
        connectedAt: Number(connectedAt),
        displaced,
      }));
    },
    refresh: async (devices) => {
      const args = devices.flatMap(({ deviceId, connectedAt }) => [deviceId, connectedAt ?? '']);
      return areOne(await run(REFRESH, users(devices), args));
    },
    remove: async (devices) => {
      const args = devices.map(({ deviceId }) => deviceId);
      return areOne(await run(REMOVE, users(devices), args));
    },
    online: async (userIds) => {
      const online = (await run(ONLINE, userIds, [])) as string[][];
      return online.map((deviceIds) => new Set(deviceIds));
    },
  };
}

const keyOf = (userId: string) => `presence:${userId}`;

const areOne = (answers: unknown) => (answers as number[]).map((answer) => answer === 1);
