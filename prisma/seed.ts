import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { Prisma } from '../src/generated/prisma/client.ts';
import { storedConfig } from '../src/modules/network/protocols/private-config.ts';
import { createRedemptionCodes } from '../src/modules/redemption/batch/create-redemption-codes.ts';
import { openCode } from '../src/modules/redemption/code/code-vault.ts';
import { displayCode } from '../src/modules/redemption/code/redemption-code.ts';
import { crashPoint } from '../src/platform/crash-points.ts';
import type { Services } from '../src/platform/services.ts';

type SeedServices = Pick<Services, 'db' | 'jobs' | 'log' | 'secrets'>;
type NewBatch = Parameters<typeof createRedemptionCodes>[1]['input'];

const GIB = 2n ** 30n;

/** Fixed ids make seeding idempotent. */
const seedId = (kind: number, number: number) =>
  `01930000-0000-7000-800${kind}-${String(number).padStart(12, '0')}`;
const planId = (number: number) => seedId(0, number);
const serverId = (number: number) => seedId(1, number);
const nodeId = (number: number) => seedId(2, number);
const adId = (number: number) => seedId(3, number);

const PLANS: Prisma.PlanCreateManyInput[] = [
  {
    id: planId(1),
    name: 'Basic',
    description: '100 GiB each month on two devices.',
    trafficLimit: 100n * GIB,
    deviceLimit: 2,
    speedLimit: 100,
    resetCycle: 'MONTHLY_START_DAY',
    nodeTags: ['standard'],
  },
  {
    id: planId(2),
    name: 'Unlimited',
    description: 'No limit on traffic or speed, on five devices.',
    deviceLimit: 5,
    nodeTags: ['standard', 'premium'],
  },
  {
    id: planId(3),
    name: 'Trial',
    description: '1 GiB to try it out.',
    status: 'HIDDEN',
    trafficLimit: 1n * GIB,
    deviceLimit: 1,
    quota: 1,
    nodeTags: ['standard'],
  },
];

/** The domain `.example` is reserved (RFC 2606), so these addresses never resolve. */
const SERVERS = [
  {
    id: serverId(1),
    name: 'Frankfurt 1',
    address: 'fra1.tessera.example',
    country: 'DE',
    city: 'Frankfurt',
    latitude: 50.11,
    longitude: 8.68,
  },
  {
    id: serverId(2),
    name: 'Tokyo 1',
    address: 'tyo1.tessera.example',
    country: 'JP',
    city: 'Tokyo',
    latitude: 35.68,
    longitude: 139.69,
  },
  {
    id: serverId(3),
    name: 'New York 1',
    address: 'nyc1.tessera.example',
    country: 'US',
    city: 'New York',
    latitude: 40.71,
    longitude: -74.01,
  },
];
const FRANKFURT = { serverId: serverId(1), tags: ['standard'] };
const TOKYO = { serverId: serverId(2), tags: ['standard'] };
const NEW_YORK = { serverId: serverId(3), tags: ['premium'], ratio: 1.5 };

type NewNode = Omit<Prisma.NodeCreateManyInput, 'id' | 'sort' | 'serverConfig'> & {
  serverConfig?: Prisma.InputJsonObject;
};

const NODES: NewNode[] = [
  {
    ...FRANKFURT,
    ...{ name: 'Frankfurt Shadowsocks', protocol: 'SHADOWSOCKS', port: 8388 },
    clientConfig: { method: 'chacha20-ietf-poly1305' },
  },
  { ...TOKYO, name: 'Tokyo VMess', protocol: 'VMESS', port: 10_086, clientConfig: { security: 'auto' } },
  {
    ...TOKYO,
    ...{ name: 'Tokyo Trojan', protocol: 'TROJAN', port: 8443 },
    clientConfig: { serverName: 'tyo1.tessera.example' },
  },
  {
    ...NEW_YORK,
    ...{ name: 'New York VLESS', protocol: 'VLESS', port: 443 },
    clientConfig: { security: 'tls', serverName: 'nyc1.tessera.example', network: 'ws', path: '/connect' },
  },
  {
    ...NEW_YORK,
    ...{ name: 'New York Hysteria2', protocol: 'HYSTERIA2', port: 8443 },
    clientConfig: { serverName: 'nyc1.tessera.example', obfs: 'salamander', obfsPassword: 'a demo' },
  },
  {
    ...NEW_YORK,
    ...{ name: 'New York TUIC', protocol: 'TUIC', port: 9443 },
    clientConfig: { serverName: 'nyc1.tessera.example', alpn: ['h3'] },
  },
  {
    ...NEW_YORK,
    ...{ name: 'New York AnyTLS', protocol: 'ANYTLS', port: 9443 },
    clientConfig: { serverName: 'nyc1.tessera.example', fingerprint: 'chrome' },
  },
];

/** Apps get the public key in `clientConfig`; the agent gets the private key in `serverConfig`. */
function realityNode(): NewNode {
  const { x: publicKey = '', d: privateKey = '' } = generateKeyPairSync('x25519').privateKey.export({
    format: 'jwk',
  });
  const shortId = randomBytes(8).toString('hex');
  const forApps = { flow: 'xtls-rprx-vision', security: 'reality', serverName: 'www.example.com' };
  return {
    ...FRANKFURT,
    ...{ name: 'Frankfurt VLESS Reality', protocol: 'VLESS', port: 443 },
    clientConfig: { ...forApps, publicKey, shortId },
    serverConfig: { privateKey, shortIds: [shortId], destination: 'www.example.com:443' },
  };
}

const ADS: Prisma.AdCreateManyInput[] = [
  {
    id: adId(1),
    type: 'banner',
    title: 'Go unlimited',
    description: 'Shown above the list of plans.',
    content: 'No limit on traffic or speed.',
    targetUrl: 'https://tessera.example/plans/unlimited',
  },
  {
    id: adId(2),
    type: 'notice',
    title: 'New: Tokyo',
    description: 'Shown once after login.',
    content: 'A new server in Tokyo is in your plan.',
  },
];

/** Its only code has unlimited uses, so that the demo can be repeated. */
const DEMO_BATCH: NewBatch = {
  planId: planId(1),
  unitTime: 'MONTH',
  quantity: 1,
  maxUses: null,
  count: 1,
  label: 'Demo: can be redeemed by any number of devices',
  idempotencyKey: 'demo data: demo',
};

const BATCHES: NewBatch[] = [
  DEMO_BATCH,
  {
    ...{ planId: planId(1), unitTime: 'MONTH', quantity: 1, maxUses: 1, count: 20 },
    ...{ label: 'Basic, one month', idempotencyKey: 'demo data: basic' },
  },
  {
    ...{ planId: planId(2), unitTime: 'YEAR', quantity: 1, maxUses: 1, count: 10 },
    ...{ label: 'Unlimited, one year', idempotencyKey: 'demo data: unlimited' },
  },
];

export interface DemoData {
  /** Whether this run created the code. */
  created: boolean;
  /** A code that any number of users can redeem; null if an admin has deleted it or its plan. */
  code: string | null;
}

/**
 * Seeds plans, codes, servers with a node of each protocol, and ads. Idempotent and safe to run
 * concurrently: existing rows are not changed. After a crash, the next run completes the data.
 */
export async function seedDemo(services: SeedServices): Promise<DemoData> {
  const { db } = services;
  await db.plan.createMany({ data: PLANS, skipDuplicates: true });
  // The random tokens are discarded; `rotateServerToken` issues usable ones.
  const servers = SERVERS.map((server) => ({ ...server, tokenHash: Uint8Array.from(randomBytes(32)) }));
  await crashPoint('seedDemo.afterPlans');
  await db.server.createMany({ data: servers, skipDuplicates: true });
  for (const [place, node] of [realityNode(), ...NODES].entries()) {
    await db.node.createMany({ data: await numbered(services, node, place + 1), skipDuplicates: true });
    await crashPoint('seedDemo.afterNode');
  }
  await db.ad.createMany({ data: ADS, skipDuplicates: true });
  const created = new Set<NewBatch>();
  for (const batch of BATCHES) {
    if (await seedBatch(services, batch)) created.add(batch);
    await crashPoint('seedDemo.afterBatch');
  }
  return { created: created.has(DEMO_BATCH), code: await readDemoCode(services) };
}

/** Gives a node its fixed id and place, and encrypts its private part. */
async function numbered(
  services: SeedServices,
  { serverConfig, ...node }: NewNode,
  number: number,
): Promise<Prisma.NodeCreateManyInput> {
  const id = nodeId(number);
  const parts = { nodeId: id, serverConfig: serverConfig ?? null };
  return { ...node, id, sort: number, serverConfig: await storedConfig(services, services.db, parts) };
}

/** @returns false if the batch exists, or an admin has deleted its plan */
async function seedBatch(services: SeedServices, batch: NewBatch): Promise<boolean> {
  const { planId: id, idempotencyKey = null } = batch;
  const existing = await services.db.redemptionBatch.count({ where: { idempotencyKey } });
  const plans = await services.db.plan.count({ where: { id, deletedAt: null } });
  if (existing > 0 || plans === 0) return false;
  await createRedemptionCodes(services, { actorId: null, input: batch });
  return true;
}

/** @returns the code with its separators, as people type it; null if it is deleted */
async function readDemoCode(services: SeedServices): Promise<string | null> {
  const { idempotencyKey = null } = DEMO_BATCH;
  const code = await services.db.redemptionCode.findFirst({
    where: { deletedAt: null, batch: { idempotencyKey, deletedAt: null, plan: { deletedAt: null } } },
  });
  return code && displayCode(openCode(services, code));
}
