import type { User } from './api/user-list.ts';
import { AccessLog } from './connections/access-log.ts';
import { Connections } from './connections/connections.ts';
import { Core } from './core/core.ts';
import { type CoreNode, emailOf, type NodeUser } from './core/nodes.ts';
import { type Log, messageOf } from './log.ts';
import type { Settings } from './settings.ts';
import { Splitters } from './shadowsocks/splitters.ts';
import type { TrafficJournal } from './traffic/traffic.ts';

/** A core that fails to respond this often is killed and started again. */
const MAX_SILENCES = 3;
const MAX_RESTART_PAUSE_MS = 10_000;

/** What the server admits. */
export interface Admission {
  nodes: readonly CoreNode[];
  users: readonly User[];
}

/**
 * The proxy of this machine: the core, the ports that the agent holds for it, and the connections.
 * Keeps admitting what it was told last, whatever happens to the core.
 */
export class ProxyServer {
  readonly connections: Connections;
  readonly journal: TrafficJournal;
  readonly #core: Core;
  readonly #splitters: Splitters;
  readonly #log: Log;
  #admission: Admission | null = null;
  /** The nodes that the running core was started for, as JSON. */
  #startedFor: string | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  /** Why the core does not do what it was told; null if it does. */
  #coreProblem: string | null = null;
  /** Nodes that the core cannot serve. */
  #refusals: string[] = [];
  #silences = 0;
  #restarts = 0;
  #isStopped = false;

  constructor(settings: Settings, { journal, log }: { journal: TrafficJournal; log: Log }) {
    this.#log = log;
    this.journal = journal;
    this.#core = new Core(settings, log, { onExit: () => this.#onCoreExit() });
    this.#splitters = new Splitters(this.#core);
    this.connections = new Connections({
      accessLog: new AccessLog(this.#core.files.accessLog),
      behindProxy: settings.behindProxy,
      own: () => this.#splitters.connections(),
      log,
    });
  }

  /** Why a part of the admission is not in force; null if everything is. */
  get problem(): string | null {
    return [this.#coreProblem ?? [], ...this.#refusals].flat().join('; ') || null;
  }

  /** Counts the traffic of a core that an earlier agent left, and stops it. */
  async takeOver(): Promise<void> {
    const run = await this.#core.stopLeftover();
    if (!run) return;
    await this.journal.count(run);
    this.#log('took over from an agent that was killed');
  }

  /**
   * Puts an admission into force. When this returns, new connections of others are refused, and
   * theirs are being closed.
   *
   * @throws Error if the core does not take it
   */
  admit(admission: Admission): Promise<void> {
    this.#admission = admission;
    return this.#inTurn(() => this.#enforce());
  }

  async #enforce(): Promise<void> {
    if (!this.#admission || this.#isStopped) return;
    const { served, refusals } = this.#core.check(this.#admission.nodes);
    this.#refusals = refusals;
    const users = usersAt(served, this.#admission.users);
    this.connections.setAdmitted(new Set(users.map(emailOf)));
    try {
      const isStarted = this.#core.isRunning && this.#startedFor === JSON.stringify(served);
      const removed = isStarted ? await this.#change(users) : await this.#start(served, users);
      const closes = await this.connections.update(removed);
      if (!closes) await this.#start(served, users);
      this.#coreProblem = null;
    } catch (error) {
      this.#coreProblem = messageOf(error);
      throw error;
    }
  }

  async #change(users: readonly NodeUser[]): Promise<NodeUser[]> {
    const [direct, split] = this.#splitters.divide(users);
    const removed = await this.#core.admit(direct);
    return [...removed, ...(await this.#splitters.admit(split))];
  }

  async #start(nodes: readonly CoreNode[], users: readonly NodeUser[]): Promise<NodeUser[]> {
    await this.#stopCore();
    const direct = nodes.filter((node) => !this.#splitters.holds(node));
    await this.#splitters.hold(nodes.filter((node) => this.#splitters.holds(node)));
    const [atCore, split] = this.#splitters.divide(users);
    // Before the core is there: a connection of a user who is not known yet would be left waiting.
    await this.#splitters.admit(split);
    await this.#core.start(direct, atCore);
    this.connections.setPorts(new Map(direct.map(({ id, port }) => [id, port])));
    this.#startedFor = JSON.stringify(nodes);
    return [];
  }

  /** Closes the connections and counts their bytes before the counters are lost with the core. */
  async #stopCore(): Promise<void> {
    if (!this.#core.isRunning) return;
    await this.connections.closeAll();
    await this.#core.readCounters().then(
      (run) => this.journal.count(run),
      () => {},
    );
    await this.#core.stop();
    this.#splitters.forgetPorts();
  }

  #onCoreExit(): void {
    if (this.#isStopped) return;
    this.#splitters.forgetPorts();
    this.#coreProblem = 'the core ended unexpectedly';
    const pauseMs = Math.min(100 * 2 ** this.#restarts++, MAX_RESTART_PAUSE_MS);
    this.#log(`the core ended unexpectedly, starting it again in ${pauseMs} ms`);
    setTimeout(() => {
      void this.#inTurn(() => this.#enforce()).catch((error: unknown) => {
        this.#log(messageOf(error));
        if (!this.#core.isRunning) this.#onCoreExit();
      });
    }, pauseMs);
  }

  /** Saves what the core has counted. Restarts a core that does not respond. */
  count(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#core.isRunning) return;
      const run = await this.#core.readCounters().catch((error: unknown) => this.#onSilence(error));
      if (!run) return;
      if (this.#silences > 0) this.#coreProblem = null;
      this.#silences = 0;
      this.#restarts = 0;
      await this.journal.count(run);
    });
  }

  async #onSilence(error: unknown): Promise<void> {
    this.#silences += 1;
    this.#coreProblem = `the core does not respond: ${messageOf(error)}`;
    if (this.#silences < MAX_SILENCES) return;
    this.#log(`${this.#coreProblem}; it is started again`);
    this.#silences = 0;
    await this.#core.stop();
    await this.#enforce();
  }

  /** Learns of new connections and closes those that are not allowed. */
  watchConnections(): Promise<void> {
    return this.#inTurn(async () => {
      if (await this.connections.update()) return;
      this.#log('connections stay open although they were closed: starting the core again');
      this.#startedFor = null;
      await this.#enforce();
    });
  }

  stop(): Promise<void> {
    return this.#inTurn(async () => {
      this.#isStopped = true;
      await this.#stopCore();
      await this.#splitters.hold([]);
    });
  }

  /** Runs one change of the core after the other. */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }
}

function usersAt(nodes: readonly CoreNode[], users: readonly User[]): NodeUser[] {
  const served = new Set(nodes.map(({ id }) => id));
  return users.flatMap(({ subscriptionId, credential, nodeIds }) =>
    nodeIds.filter((id) => served.has(id)).map((nodeId) => ({ nodeId, subscriptionId, credential })),
  );
}
