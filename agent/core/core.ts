import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../log.ts';
import type { Settings } from '../settings.ts';
import { type CoreApi, type Counters, createCoreApi } from './core-api.ts';
import { coreConfig, lacksCertificate } from './core-config.ts';
import {
  type CoreFiles,
  type CoreProcess,
  findLeftover,
  readOutput,
  startProcess,
  stopProcess,
} from './core-process.ts';
import { freePort } from './free-port.ts';
import { type CoreNode, emailOf, type NodeUser } from './nodes.ts';
import { PROGRAMS } from './programs.ts';

const START_MS = 15_000;
/** Requests to the core that are sent together. */
const CONCURRENT_CHANGES = 200;

interface Running {
  core: CoreProcess;
  api: CoreApi;
}

/** Counters of one run of a core. */
export interface CountedRun {
  runId: string;
  counters: Counters;
}

export interface CoreEvents {
  /** The core ended by itself. */
  onExit(): void;
}

/**
 * The core on this machine: a process that the agent starts, changes by its API and restarts when
 * nodes change. Callers wait for one call before the next.
 */
export class Core {
  readonly files: CoreFiles;
  readonly #settings: Settings;
  readonly #log: Log;
  readonly #events: CoreEvents;
  #running: Running | null = null;
  /** By email, what the core admits. */
  #users = new Map<string, NodeUser>();
  #nodes = new Map<string, CoreNode>();

  constructor(settings: Settings, log: Log, events: CoreEvents) {
    this.#settings = settings;
    this.#log = log;
    this.#events = events;
    const at = (name: string) => join(settings.state, name);
    this.files = {
      ...{ config: at('core.json'), accessLog: at('access.log') },
      ...{ output: at('core.log'), process: at('core-process.json') },
    };
  }

  get program() {
    return PROGRAMS[this.#settings.core.program];
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  /** The API of the running core. @throws Error if it does not run */
  get api(): CoreApi {
    if (!this.#running) throw new Error('the core does not run');
    return this.#running.api;
  }

  /**
   * Reads the last counters of a core that an earlier agent left, and stops it: what it admits is
   * not known.
   */
  async stopLeftover(): Promise<CountedRun | null> {
    const core = findLeftover(this.files);
    if (!core) return null;
    const api = createCoreApi(this.program, core.apiPort);
    const counters = await api.readCounters().catch(() => null);
    api.close();
    await stopProcess(core, this.files);
    return counters && { runId: core.runId, counters };
  }

  /** Splits nodes into those that can be served, and the reasons why others cannot. */
  check(nodes: readonly CoreNode[]): { served: CoreNode[]; refusals: string[] } {
    const refusalOf = (node: CoreNode) =>
      this.program.refusal(node) ??
      (lacksCertificate(node, this.#settings.certificate) ? 'its certificate is missing' : null);
    const served = nodes.filter((node) => refusalOf(node) === null);
    const refusals = nodes.flatMap((node) => {
      const refusal = refusalOf(node);
      return refusal === null ? [] : `node ${node.name}: ${refusal}`;
    });
    return { served, refusals };
  }

  /**
   * Starts the core with these nodes and users.
   *
   * @throws Error with what the core printed if it does not respond
   */
  async start(nodes: readonly CoreNode[], users: readonly NodeUser[]): Promise<void> {
    const { core: options, certificate } = this.#settings;
    const apiPort = await freePort();
    const config = coreConfig({ nodes, users, apiPort, accessLog: this.files.accessLog, certificate });
    // It contains credentials and keys.
    writeFileSync(this.files.config, JSON.stringify(config), { mode: 0o600 });
    chmodSync(this.files.config, 0o600);
    rmSync(this.files.accessLog, { force: true });
    const command = [...(options.command ?? [options.program]), ...this.program.argsFor(this.files.config)];
    const { child, core } = await startProcess(command, { files: this.files, apiPort });
    const running = { core, api: createCoreApi(this.program, apiPort) };
    child.once('exit', () => this.#onExit(running));
    this.#running = running;
    this.#nodes = new Map(nodes.map((node) => [node.id, node]));
    this.#users = new Map(users.map((user) => [emailOf(user), user]));
    await this.#awaitResponse(running);
    this.#log(`${options.program} runs with ${nodes.length} nodes and ${users.length} users`);
  }

  #onExit(running: Running): void {
    running.api.close();
    if (this.#running !== running) return;
    this.#running = null;
    this.#events.onExit();
  }

  async #awaitResponse(running: Running): Promise<void> {
    const deadline = Date.now() + START_MS;
    while (Date.now() < deadline && this.#running === running) {
      const responds = await running.api.readCounters().then(
        () => true,
        () => false,
      );
      if (responds) return;
      await sleep(20);
    }
    await this.stop();
    throw new Error(`the core does not start: ${readOutput(this.files)}`);
  }

  /** Stops the core. Its counters are lost; read them before. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    if (!running) return;
    running.api.close();
    await stopProcess(running.core, this.files);
  }

  /** Bytes by email since the start of the core. @throws Error if it does not respond */
  async readCounters(): Promise<CountedRun> {
    const { core, api } = this.#running ?? {};
    if (!core || !api) throw new Error('the core does not run');
    return { runId: core.runId, counters: await api.readCounters() };
  }

  /**
   * Changes what the core admits to these users, without a restart.
   *
   * @returns users that are not admitted any more, also with their former credential
   */
  async admit(users: readonly NodeUser[]): Promise<NodeUser[]> {
    const wanted = new Map(users.map((user) => [emailOf(user), user]));
    const isChanged = (user: NodeUser) => wanted.get(emailOf(user))?.credential !== user.credential;
    const removed = [...this.#users.values()].filter(isChanged);
    await this.#inParallel(removed, async (user) => {
      await this.api.removeUser(user);
      this.#users.delete(emailOf(user));
    });
    const added = users.filter((user) => !this.#users.has(emailOf(user)));
    await this.#inParallel(added, async (user) => {
      const node = this.#nodes.get(user.nodeId);
      if (node) await this.api.addUser(node, user);
      this.#users.set(emailOf(user), user);
    });
    return removed;
  }

  async #inParallel(users: readonly NodeUser[], change: (user: NodeUser) => Promise<void>): Promise<void> {
    for (let start = 0; start < users.length; start += CONCURRENT_CHANGES)
      await Promise.all(users.slice(start, start + CONCURRENT_CHANGES).map(change));
  }
}
