import { credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { type CoreNode, emailOf, type NodeUser } from './nodes.ts';
import type { Program } from './programs.ts';
import { protosOf } from './protos.ts';

/** The core is on the same machine; one that takes longer hangs. */
const TIMEOUT_MS = 2_000;

/** Answers of the core to requests that were already done. */
const ALREADY_DONE = /already exists|not found|existing tag/i;

/** The core is on the same machine and may just be starting: the defaults wait for a second. */
const CHANNEL = { 'grpc.initial_reconnect_backoff_ms': 20, 'grpc.max_reconnect_backoff_ms': 200 };

type Send = (method: string, request: object) => Promise<Record<string, unknown>>;

/** Bytes by email, since the start of the core. */
export type Counters = Map<string, { upload: bigint; download: bigint }>;

/** The gRPC services of a running core. */
export interface CoreApi {
  addUser(node: CoreNode, user: NodeUser): Promise<void>;
  removeUser(user: NodeUser): Promise<void>;
  /** Adds an inbound on loopback for one user of Shadowsocks. */
  addShadowsocksUser(node: CoreNode, user: NodeUser, port: number): Promise<void>;
  removeShadowsocksUser(user: NodeUser): Promise<void>;
  /** Also shows that the core responds. */
  readCounters(): Promise<Counters>;
  close(): void;
}

/** Of the enum Network. */
const TCP = 2;

export function createCoreApi({ prefix, ciphers }: Program, port: number): CoreApi {
  const root = new protobuf.Root();
  for (const text of protosOf(prefix)) protobuf.parse(text, root, { keepCase: true });
  const services = loadPackageDefinition(fromJSON(root.toJSON(), { longs: String, keepCase: true }));
  const address = `127.0.0.1:${port}`;
  const [handlers, closeHandlers] = connect(
    services,
    `${prefix}.app.proxyman.command.HandlerService`,
    address,
  );
  const [stats, closeStats] = connect(services, `${prefix}.app.stats.command.StatsService`, address);
  return {
    ...changes(createTyping(root, prefix), { handlers, ciphers }),
    readCounters: async () => {
      const { stat } = await stats('QueryStats', { pattern: 'user>>>', reset: false });
      return countersOf((stat ?? []) as { name: string; value: string }[]);
    },
    close() {
      closeHandlers();
      closeStats();
    },
  };
}

type Typing = (name: string, fields: object) => { type: string; value: Uint8Array };

/** Wraps messages with their names, as the core expects of types that it does not know before. */
function createTyping(root: protobuf.Root, prefix: string): Typing {
  return (name, fields) => {
    const type = root.lookupType(`${prefix}.${name}`);
    return { type: `${prefix}.${name}`, value: type.encode(type.fromObject(fields)).finish() };
  };
}

function changes(
  typed: Typing,
  { handlers, ciphers }: { handlers: Send; ciphers: Program['ciphers'] },
): Omit<CoreApi, 'readCounters' | 'close'> {
  const userFor = (node: CoreNode, user: NodeUser) => ({
    ...{ level: 0, email: emailOf(user) },
    account: typed(`proxy.${node.protocol.toLowerCase()}.Account`, accountOf(node, user, ciphers)),
  });
  const alter = (tag: string, operation: object) => done(handlers('AlterInbound', { tag, operation }));
  return {
    addUser: (node, user) =>
      alter(node.id, typed('app.proxyman.command.AddUserOperation', { user: userFor(node, user) })),
    removeUser: (user) =>
      alter(user.nodeId, typed('app.proxyman.command.RemoveUserOperation', { email: emailOf(user) })),
    addShadowsocksUser: (node, user, innerPort) => {
      const listen = { ip: Buffer.from([127, 0, 0, 1]) };
      const range = { From: innerPort, To: innerPort };
      const inbound = {
        tag: emailOf(user),
        receiver_settings: typed('app.proxyman.ReceiverConfig', { port_range: range, listen }),
        proxy_settings: typed('proxy.shadowsocks.ServerConfig', {
          user: userFor(node, user),
          network: [TCP],
        }),
      };
      return done(handlers('AddInbound', { inbound }));
    },
    removeShadowsocksUser: (user) => done(handlers('RemoveInbound', { tag: emailOf(user) })),
  };
}

function connect(services: object, name: string, address: string): [Send, () => void] {
  // biome-ignore lint/suspicious/noExplicitAny: the clients are generated from the messages
  const Service = name.split('.').reduce<any>((part, key) => part[key], services);
  const client = new Service(address, credentials.createInsecure(), CHANNEL);
  const send: Send = (method, request) =>
    new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + TIMEOUT_MS };
      client[method](request, options, (error: ServiceError | null, reply: Record<string, unknown>) =>
        error ? reject(error) : resolve(reply),
      );
    });
  return [send, () => client.close()];
}

/** Repeating a change that was already made is no error. */
async function done(call: Promise<unknown>): Promise<void> {
  await call.catch((error: ServiceError) => {
    if (!ALREADY_DONE.test(error.details ?? '')) throw error;
  });
}

function accountOf(
  { protocol, clientConfig }: CoreNode,
  { credential }: NodeUser,
  ciphers: Program['ciphers'],
): object {
  switch (protocol) {
    case 'VMESS':
      return { id: credential };
    case 'VLESS':
      return { id: credential, flow: clientConfig.flow ?? '', encryption: 'none' };
    case 'SHADOWSOCKS':
      return { password: credential, cipher_type: ciphers[clientConfig.method ?? ''] ?? 0 };
    default:
      return { password: credential };
  }
}

/** `user>>>email>>>traffic>>>uplink` */
function countersOf(stats: readonly { name: string; value: string }[]): Counters {
  const counters: Counters = new Map();
  for (const { name, value } of stats) {
    const [, email = '', , direction] = name.split('>>>');
    const known = counters.get(email) ?? { upload: 0n, download: 0n };
    if (direction === 'uplink') known.upload = BigInt(value);
    else known.download = BigInt(value);
    counters.set(email, known);
  }
  return counters;
}
