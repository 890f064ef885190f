import type { Services } from '../../../platform/services.ts';
import type { OnlineDevice } from './device-stays.ts';
import type { LimitedAccount } from './online-limits.ts';
import { CONNECT, DISCONNECT, HEARTBEAT, LIMIT, ONLINE } from './presence-scripts.ts';

/** Entries of an instance that crashed expire after this time: three heartbeats. */
const TTL_MS = 25_000;

/** A device that has just connected to this instance. */
export interface ConnectingDevice extends OnlineDevice {
  /** How many devices of the account may be online; null means unlimited. */
  deviceLimit: number | null;
}

export interface ConnectResult {
  /**
   * The device was displaced before it connected again: its older sockets at this instance must
   * close.
   */
  wasDisplaced: boolean;
  /** When the device connected to this instance, as Unix time in milliseconds by Redis' clock. */
  connectedAt: number;
  /**
   * Devices over the limit that were displaced. With a limit of 0 they include the device itself.
   */
  displaced: string[];
}

/**
 * Records which devices are online at which instance, in one Redis hash per account. Each call runs
 * one script, so concurrent calls of other instances cannot interleave. Calls reject while Redis is
 * unavailable.
 */
export interface PresenceTable {
  /**
   * Adds devices to this instance. If that exceeds the limit of an account, displaces its
   * longest-connected devices.
   */
  connect(devices: readonly ConnectingDevice[]): Promise<ConnectResult[]>;
  /**
   * Displaces the longest-connected devices of accounts with more than their limit. Returns the ids
   * of the displaced devices of each.
   */
  limit(accounts: readonly LimitedAccount[]): Promise<string[][]>;
  /**
   * Renews the entries of connected devices, and restores lost ones. Returns for each whether it
   * was displaced.
   */
  heartbeat(devices: readonly (OnlineDevice & { connectedAt: number | undefined })[]): Promise<boolean[]>;
  /** Removes devices from this instance. Returns for each whether it is online at another. */
  disconnect(devices: readonly OnlineDevice[]): Promise<boolean[]>;
  /** Returns the ids of the online devices of each user. */
  readOnline(userIds: readonly string[]): Promise<Set<string>[]>;
}

/** @param instanceId unique to this process */
export function createPresenceTable(
  { redis }: Pick<Services, 'redis'>,
  { instanceId }: { instanceId: string },
): PresenceTable {
  const run = (script: string, userIds: readonly string[], args: readonly (string | number)[]) =>
    redis.eval(script, userIds.length, ...userIds.map(keyOf), instanceId, TTL_MS, ...args);
  const usersOf = (devices: readonly OnlineDevice[]) => devices.map(({ userId }) => userId);
  return {
    connect: async (devices) => {
      const args = devices.flatMap(({ deviceId, deviceLimit }) => [deviceId, deviceLimit ?? '']);
      const results = (await run(CONNECT, usersOf(devices), args)) as [number, string, ...string[]][];
      return results.map(([wasDisplaced, connectedAt, ...displaced]) => ({
        wasDisplaced: wasDisplaced === 1,
        connectedAt: Number(connectedAt),
        displaced,
      }));
    },
    limit: async (accounts) => {
      const args = accounts.map(({ deviceLimit }) => deviceLimit);
      const userIds = accounts.map(({ userId }) => userId);
      return (await run(LIMIT, userIds, args)) as string[][];
    },
    heartbeat: async (devices) => {
      const args = devices.flatMap(({ deviceId, connectedAt }) => [deviceId, connectedAt ?? '']);
      return toBooleans(await run(HEARTBEAT, usersOf(devices), args));
    },
    disconnect: async (devices) => {
      const args = devices.map(({ deviceId }) => deviceId);
      return toBooleans(await run(DISCONNECT, usersOf(devices), args));
    },
    readOnline: async (userIds) => {
      const online = (await run(ONLINE, userIds, [])) as string[][];
      return online.map((deviceIds) => new Set(deviceIds));
    },
  };
}

const keyOf = (userId: string) => `presence:${userId}`;

const toBooleans = (reply: unknown) => (reply as number[]).map((flag) => flag === 1);
