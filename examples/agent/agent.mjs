import { setTimeout as sleep } from 'node:timers/promises';
import { Refusal, TokenRevoked } from './api.mjs';
import { TrafficReporter } from './traffic.mjs';
import { UserList } from './user-list.mjs';

const CONFIG = `{ serverConfig { serverId name nodes } }`;
const USERS = `subscription ($since: BigInt) {
  serverUsersChanged(since: $since) {
    revision full hasMore removals
    upserts { subscriptionId credential nodeIds speedLimit deviceLimit }
  }
}`;
const CONFIRM = `mutation ($revision: BigInt!) { confirmServerUsers(revision: $revision) }`;
const ONLINE = `mutation ($input: ReportOnlineInput!) { reportOnline(input: $input) }`;
const STATUS = `mutation ($input: ServerStatusInput!) { reportServerStatus(input: $input) }`;

const TRAFFIC_EVERY_MS = 10_000;
const STATUS_EVERY_MS = 30_000;
const MAX_PAUSE_MS = 30_000;

/**
 * @typedef {Map<string, import('./user-list.mjs').User>} UserMap
 * @typedef {{ serverId: string, name: string, nodes: object[] }} ServerConfig
 * @typedef {{ cpu: number, memory: number, disk: number, version: string }} Status
 */

/**
 * The proxy that carries the users' traffic on this machine. A real agent starts and configures it.
 *
 * @typedef {object} Proxy
 * @property {(admitted: UserMap) => Promise<void>} admit replaces the whole list
 * @property {(config: ServerConfig) => Promise<void>} configure
 * @property {() => Promise<import('./traffic.mjs').Traffic[]>} readTraffic since the last call
 * @property {() => Promise<{ subscriptionId: string, ips: string[] }[]>} readOnline
 * @property {() => Promise<Status>} readStatus
 */

/**
 * Keeps a proxy in sync with the API until `signal` aborts.
 *
 * @param {object} options
 * @param {import('./api.mjs').Api} options.api
 * @param {Proxy} options.proxy
 * @param {(line: string) => void} options.log
 * @param {AbortSignal} options.signal
 * @throws {TokenRevoked} any other error is logged and retried
 */
export async function runAgent({ api, proxy, log, signal }) {
  const stopping = new AbortController();
  const both = AbortSignal.any([signal, stopping.signal]);
  const traffic = new TrafficReporter({ api, log });
  const reportTraffic = async () => {
    for (const one of await proxy.readTraffic()) traffic.count(one);
    await traffic.report();
  };
  const reportStatus = async () => {
    await api.ask(STATUS, { input: await proxy.readStatus() });
    await api.ask(ONLINE, { input: { entries: await proxy.readOnline() } });
  };
  const reports = [
    every(TRAFFIC_EVERY_MS, reportTraffic, { log, signal: both }),
    every(STATUS_EVERY_MS, reportStatus, { log, signal: both }),
  ];
  try {
    await keepUsers({ api, proxy, log, signal });
  } finally {
    stopping.abort();
    await Promise.all(reports);
    // Traffic that was counted since the last report would be lost with this process.
    await reportTraffic().catch((error) => log(`failed to report the last traffic: ${error.message}`));
  }
}

/** Follows the list of users. Reconnects with exponential backoff and resumes from its revision. */
async function keepUsers({ api, proxy, log, signal }) {
  const list = new UserList();
  let failures = 0;
  const watch = async () => {
    for await (const { serverUsersChanged } of api.watch(USERS, { since: list.revision }, signal)) {
      await follow({ api, proxy, log, list }, serverUsersChanged);
      failures = 0;
    }
  };
  while (!signal.aborted) {
    await watch().catch((error) => {
      if (error instanceof TokenRevoked) throw error;
      if (!signal.aborted) log(`user list disconnected, retrying: ${error.message}`);
    });
    await backOff(failures++, signal);
  }
}

async function follow({ api, proxy, log, list }, delta) {
  // A new list means that nodes changed, so the configuration did too.
  if (delta.full) await proxy.configure((await api.ask(CONFIG)).serverConfig);
  if (!list.apply(delta)) return;
  await proxy.admit(list.users);
  await api.ask(CONFIRM, { revision: list.revision });
  log(`${list.users.size} users as of revision ${list.revision}`);
}

/** Half of the delay is random, so that agents do not all reconnect together after an outage. */
async function backOff(failures, signal) {
  const maxMs = Math.min(500 * 2 ** failures, MAX_PAUSE_MS);
  await sleep(maxMs / 2 + (Math.random() * maxMs) / 2, undefined, { signal }).catch(() => {});
}

async function every(ms, work, { log, signal }) {
  while (!signal.aborted) {
    await work().catch((error) => {
      const isTransient = error instanceof Refusal && error.isRetryable;
      if (!isTransient) log(`failed to report: ${error.message}`);
    });
    await sleep(ms, undefined, { signal }).catch(() => {});
  }
}
