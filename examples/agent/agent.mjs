import { setTimeout as sleep } from 'node:timers/promises';
import { Refusal, TokenEnded } from './api.mjs';
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
const LONGEST_PAUSE_MS = 30_000;

/**
 * What carries the users' traffic on this machine. An agent for a real one starts and reconfigures it.
 *
 * @typedef {object} Proxy
 * @property {(config: { serverId: string, name: string, nodes: object[] }) => Promise<void>} configure
 * @property {(users: Map<string, import('./user-list.mjs').User>) => Promise<void>} letIn exactly these, nobody else
 * @property {() => Promise<import('./traffic.mjs').Traffic[]>} readTraffic since the last call
 * @property {() => Promise<{ subscriptionId: string, ips: string[] }[]>} readOnline
 * @property {() => Promise<{ cpu: number, memory: number, disk: number, version: string }>} readStatus
 */

/**
 * Keeps a proxy in step with the server until `signal` ends it.
 *
 * @param {{ api: import('./api.mjs').Api, proxy: Proxy, log: (line: string) => void, signal: AbortSignal }} options
 * @throws {TokenEnded} when the token is good no longer; nothing else ends it
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
    // What was counted last would be lost with this process.
    await reportTraffic().catch((error) => log(`the last traffic could not be reported: ${error.message}`));
  }
}

/** Follows the list of users; after a break it goes on from where it was, with longer and longer pauses. */
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
      if (error instanceof TokenEnded) throw error;
      if (!signal.aborted) log(`the list of users: ${error.message}; trying again`);
    });
    await pause(failures++, signal);
  }
}

async function follow({ api, proxy, log, list }, delta) {
  // A new list comes when the nodes have changed, and with them the configuration.
  if (delta.full) await proxy.configure((await api.ask(CONFIG)).serverConfig);
  if (!list.apply(delta)) return;
  await proxy.letIn(list.users);
  await api.ask(CONFIRM, { revision: list.revision });
  log(`${list.users.size} users as of revision ${list.revision}`);
}

/** Half of it by chance: a thousand agents must not come again at the same moment. */
async function pause(failures, signal) {
  const longest = Math.min(500 * 2 ** failures, LONGEST_PAUSE_MS);
  await sleep(longest / 2 + (Math.random() * longest) / 2, undefined, { signal }).catch(() => {});
}

async function every(ms, work, { log, signal }) {
  while (!signal.aborted) {
    await work().catch((error) => {
      const isNews = !(error instanceof Refusal) || !error.isRetryable;
      if (isNews) log(`a report failed: ${error.message}`);
    });
    await sleep(ms, undefined, { signal }).catch(() => {});
  }
}
