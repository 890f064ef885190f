import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../src/platform/embedded/free-port.ts';
import { provideSs } from './ss.ts';
import { CERTIFICATE, CERTIFICATE_KEY, listening, startV2ray, v2rayCommand } from './v2ray.ts';

/** A site that proxies fetch: `/bytes/<number>` has that many, `/endless` never ends. */
export async function startSite() {
  const server = createServer((request, response) => {
    const bytes = /^\/bytes\/(\d+)$/.exec(request.url ?? '')?.[1];
    if (request.url !== '/endless') {
      response.end(bytes === undefined ? `reached ${request.url}` : Buffer.alloc(Number(bytes), 'x'));
      return;
    }
    const dripping = setInterval(() => response.write('x'), 50);
    response.once('close', () => clearInterval(dripping));
    response.write('x');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return {
    url: (path: string) => `http://127.0.0.1:${port}${path}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The agent as an operator runs it, with a folder of its own. */
export async function createAgentProcess({ url, token }: { url: string; token: string }) {
  const state = mkdtempSync(join(tmpdir(), 'tessera-agent-'));
  const settings = join(state, 'settings.yml');
  const write = (changes: object = {}) =>
    writeFileSync(
      settings,
      JSON.stringify({
        ...{ url, token, state, countSeconds: 0.5, reportSeconds: 1 },
        core: { program: 'v2ray', command },
        certificate: { certificateFile: CERTIFICATE, keyFile: CERTIFICATE_KEY },
        ...changes,
      }),
    );
  await provideSs();
  const command = await v2rayCommand();
  write();
  let child: ChildProcess | undefined;
  let output = '';
  return {
    state,
    write,
    output: () => output,
    start() {
      const started = spawn(process.execPath, ['dist/agent/tessera-agent.mjs', settings], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      for (const stream of [started.stdout, started.stderr])
        stream.on('data', (text) => {
          output += text;
        });
      child = started;
    },
    /** @returns the exit code */
    async stop(signal: NodeJS.Signals = 'SIGTERM') {
      if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode;
      const exited = once(child, 'exit');
      child.kill(signal);
      return (await exited)[0] as number | null;
    },
    exitCode: async () => (child?.exitCode ?? (child && (await once(child, 'exit'))[0])) as number | null,
    /** The process of the core, which survives the agent. */
    corePid: () =>
      (JSON.parse(readFileSync(join(state, 'core-process.json'), 'utf8')) as { pid: number }).pid,
    async remove() {
      await this.stop();
      try {
        process.kill(this.corePid(), 'SIGKILL');
      } catch {
        // It ended with the agent.
      }
      rmSync(state, { recursive: true, force: true });
    },
  };
}

export type AgentProcess = Awaited<ReturnType<typeof createAgentProcess>>;

/** A v2ray client with an HTTP proxy for each node of its link. */
export interface LinkClient {
  /** Ports of the proxies by the name of the node. */
  proxies: Map<string, number>;
  stop(): void;
}

/**
 * Configures a client by the link of a subscription, as an app does.
 *
 * @param from address of this machine from which it connects
 */
export async function startLinkClient(link: string, from = '127.0.0.1'): Promise<LinkClient> {
  const response = await fetch(`${link}?format=v2ray`);
  const { outbounds } = (await response.json()) as { outbounds: { tag: string }[] };
  const names = outbounds.map(({ tag }) => tag).filter((tag) => tag !== 'direct');
  const proxies = new Map<string, number>();
  for (const name of names) proxies.set(name, await freePort());
  const inbounds = [...proxies].map(([name, port]) => ({
    ...{ tag: `in ${name}`, listen: '127.0.0.1', port, protocol: 'http' },
  }));
  const rules = names.map((name) => ({ type: 'field', inboundTag: [`in ${name}`], outboundTag: name }));
  const folder = mkdtempSync(join(tmpdir(), 'tessera-client-'));
  const child = await startV2ray(join(folder, 'client.json'), {
    ...{ log: { loglevel: 'none' }, inbounds, routing: { rules } },
    outbounds: outbounds.map((outbound) => ({ ...outbound, sendThrough: from })),
  });
  await Promise.all([...proxies.values()].map(listening));
  return {
    proxies,
    stop() {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
