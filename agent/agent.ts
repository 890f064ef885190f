import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import writeFileAtomic from 'write-file-atomic';
import { type Api, createApi, Refusal } from './api/api.ts';
import { CONFIG, CONFIRM, EXCEEDED, ONLINE, STATUS, TRAFFIC, USERS } from './api/operations.ts';
import { type Delta, type User, UserList } from './api/user-list.ts';
import type { CoreNode } from './core/nodes.ts';
import { type Log, messageOf } from './log.ts';
import { OnlineReporter } from './online-reporter.ts';
import { ProxyServer } from './proxy-server.ts';
import { every, keep } from './repeat.ts';
import type { Settings } from './settings.ts';
import { readLoad, VERSION } from './status.ts';
import { TrafficJournal } from './traffic/traffic.ts';

const WATCH_SECONDS = 0.25;
const STATUS_SECONDS = 30;
const SAVE_SECONDS = 5;
/** A change that the core did not take is tried again after this time. */
const RETRY_MS = 1_000;
const MAX_PROBLEM_LENGTH = 300;

interface Saved {
  revision: string;
  nodes: CoreNode[];
  users: User[];
}

/** Keeps the proxy of this machine as the API says, and reports what it does. */
export class Agent {
  readonly #settings: Settings;
  readonly #log: Log;
  readonly #api: Api;
  readonly #proxy: ProxyServer;
  readonly #online: OnlineReporter;
  readonly #listFile: string;
  #list = new UserList();
  #nodes: CoreNode[] = [];
  #isSaved = true;
  #reportedProblem: string | null = null;

  constructor(settings: Settings, log: Log) {
    mkdirSync(settings.state, { recursive: true, mode: 0o700 });
    this.#settings = settings;
    this.#log = log;
    this.#api = createApi(settings);
    this.#listFile = join(settings.state, 'users.json');
    const journal = TrafficJournal.open(join(settings.state, 'traffic.json'));
    this.#proxy = new ProxyServer(settings, { journal, log });
    this.#online = new OnlineReporter(this.#proxy.connections, (input) => this.#api.ask(ONLINE, { input }));
  }

  /**
   * Runs until the signal aborts; then stops the proxy and reports the last traffic.
   *
   * @throws TokenRevoked
   */
  async run(signal: AbortSignal): Promise<void> {
    await this.#proxy.takeOver();
    await this.#resume();
    const stopping = new AbortController();
    const stop = () => stopping.abort();
    signal.addEventListener('abort', stop);
    const ending = stopping.signal;
    const options = (name: string) => ({ signal: ending, log: this.#log, name });
    const loops = [
      keep((onSuccess) => this.#followUsers(ending, onSuccess), options('list of users')),
      keep((onSuccess) => this.#followExceeded(ending, onSuccess), options('device limit')),
      every(WATCH_SECONDS, () => this.#watch(), options('watching connections')),
      every(this.#settings.countSeconds, () => this.#proxy.count(), options('counting traffic')),
      every(this.#settings.reportSeconds, () => this.#reportTraffic(), options('reporting traffic')),
      every(STATUS_SECONDS, () => this.#reportStatus(), options('reporting the status')),
      every(SAVE_SECONDS, () => this.#save(), options('saving the list of users')),
    ];
    try {
      await Promise.all(loops);
    } finally {
      signal.removeEventListener('abort', stop);
      stop();
      await Promise.allSettled(loops);
      await this.#proxy.stop();
      await this.#save();
      await this.#reportTraffic().catch((error: unknown) =>
        this.#log(`the last traffic is reported at the next start: ${messageOf(error)}`),
      );
    }
  }

  /** Serves the users of the last list until the API responds. */
  async #resume(): Promise<void> {
    const saved = readSaved(this.#listFile);
    if (!saved) return;
    this.#list = new UserList(saved.revision, saved.users);
    this.#nodes = saved.nodes;
    await this.#proxy.admit(saved).catch((error: unknown) => this.#log(messageOf(error)));
  }

  async #followUsers(signal: AbortSignal, onSuccess: () => void): Promise<void> {
    const variables = { since: this.#list.revision };
    type Message = { serverUsersChanged: Delta };
    for await (const { serverUsersChanged } of this.#api.watch<Message>(USERS, { variables, signal })) {
      onSuccess();
      await this.#follow(serverUsersChanged, signal);
    }
  }

  async #follow(delta: Delta, signal: AbortSignal): Promise<void> {
    // A new list means that nodes changed, so the configuration did too.
    if (delta.full) {
      const { serverConfig } = await this.#api.ask<{ serverConfig: { nodes: CoreNode[] } }>(CONFIG);
      this.#nodes = serverConfig.nodes;
    }
    if (!this.#list.apply(delta)) return;
    this.#isSaved = false;
    await this.#admit(signal);
    const { revision, users } = this.#list;
    await this.#api.ask(CONFIRM, { revision });
    this.#log(`${users.size} users as of revision ${revision}`);
  }

  /** Repeats until the core has taken the list: it must not be confirmed before. */
  async #admit(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#proxy.admit({ nodes: this.#nodes, users: [...this.#list.users.values()] });
        return;
      } catch (error) {
        this.#log(`the core did not take the list: ${messageOf(error)}`);
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
      }
    }
  }

  async #followExceeded(signal: AbortSignal, onSuccess: () => void): Promise<void> {
    type Message = { devicesExceeded: { subscriptionId: string; ips: string[] }[] };
    for await (const { devicesExceeded } of this.#api.watch<Message>(EXCEEDED, { signal })) {
      onSuccess();
      this.#online.replaceExceeded(devicesExceeded);
      await this.#proxy.watchConnections();
    }
  }

  async #watch(): Promise<void> {
    await this.#proxy.watchConnections();
    if (await this.#online.reportChanges()) await this.#proxy.watchConnections();
    if (this.#proxy.problem !== this.#reportedProblem) await this.#reportProblem();
  }

  async #reportTraffic(): Promise<void> {
    const { journal } = this.#proxy;
    for (let report = await journal.nextReport(); report; report = await journal.nextReport()) {
      const answer = await this.#api
        .ask<{ reportTraffic: { refused: string[] } }>(TRAFFIC, { input: report })
        .catch((error: unknown) => {
          // Repeating it would fail again. Losing one report is better than never reporting again.
          if (!(error instanceof Refusal) || error.code !== 'BAD_USER_INPUT') throw error;
          this.#log(`a report of traffic was refused and is dropped: ${error.message}`);
          return null;
        });
      await journal.finishReport();
      const refused = answer?.reportTraffic.refused.length ?? 0;
      if (refused > 0) this.#log(`traffic of ${refused} subscriptions was refused`);
    }
  }

  async #reportStatus(): Promise<void> {
    await this.#reportProblem();
    await this.#online.reportAll();
  }

  async #reportProblem(): Promise<void> {
    const { problem } = this.#proxy;
    const load = await readLoad(this.#settings.state);
    const shown = problem?.slice(0, MAX_PROBLEM_LENGTH) ?? null;
    await this.#api.ask(STATUS, { input: { ...load, version: VERSION, problem: shown } });
    this.#reportedProblem = problem;
  }

  async #save(): Promise<void> {
    const { revision, users } = this.#list;
    if (this.#isSaved || revision === null) return;
    this.#isSaved = true;
    const saved: Saved = { revision, nodes: this.#nodes, users: [...users.values()] };
    await writeFileAtomic(this.#listFile, JSON.stringify(saved), { mode: 0o600 });
  }
}

/** A list that cannot be read is read again from the API. */
function readSaved(file: string): Saved | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Saved;
  } catch {
    return null;
  }
}
