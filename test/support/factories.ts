import { randomBytes, randomUUID } from 'node:crypto';
import type { Prisma } from '../../src/generated/prisma/client.ts';
import type { Transaction } from '../../src/platform/database/database.ts';

// Each function makes one valid row, and beneath it whatever the row cannot be without. Overrides win over everything.

const DAY_MS = 86_400_000;

/** That many days from now; the past for a negative number. */
export const inDays = (days: number) => new Date(Date.now() + days * DAY_MS);
/** 32 random bytes: a hash, a seed, a lookup. */
export const bytes32 = () => new Uint8Array(randomBytes(32));
/** A name that no other row has. */
export const unique = (prefix: string) => `${prefix}-${randomUUID()}`;

export function buildUser(db: Transaction, overrides: Partial<Prisma.UserUncheckedCreateInput> = {}) {
  return db.user.create({ data: overrides });
}

/** A device identity; with `type: 'EMAIL'` an address whose password hash fits no password. */
export async function buildIdentity(
  db: Transaction,
  overrides: Partial<Prisma.IdentityUncheckedCreateInput> = {},
) {
  const userId = overrides.userId ?? (await buildUser(db)).id;
  const byType =
    overrides.type === 'EMAIL'
      ? { type: 'EMAIL' as const, value: `${unique('user')}@example.com`, passwordHash: '$argon2id$none' }
      : { type: 'DEVICE' as const, value: unique('device') };
  return db.identity.create({ data: { ...byType, ...overrides, userId } });
}

/** A device with its identity; it has shown neither secret nor key. */
export async function buildDevice(
  db: Transaction,
  { identifier, ...overrides }: Partial<Prisma.DeviceUncheckedCreateInput> & { identifier?: string } = {},
) {
  const userId = overrides.userId ?? (await buildUser(db)).id;
  const identityId =
    overrides.identityId ??
    (await buildIdentity(db, { userId, ...(identifier && { value: identifier }) })).id;
  return db.device.create({ data: { ...overrides, userId, identityId } });
}

/** A session without a device, unless one is given (then with its `userId`). */
export async function buildSession(
  db: Transaction,
  overrides: Partial<Prisma.SessionUncheckedCreateInput> = {},
) {
  const userId = overrides.userId ?? (await buildUser(db)).id;
  return db.session.create({ data: { refreshSeed: bytes32(), expiresAt: inDays(30), ...overrides, userId } });
}

export function buildKeyPair(db: Transaction, overrides: Partial<Prisma.KeyPairUncheckedCreateInput> = {}) {
  return db.keyPair.create({
    data: {
      kid: unique('key'),
      purpose: 'SIGNING',
      status: 'CURRENT',
      algorithm: 'ES256',
      publicJwk: { kty: 'EC' },
      privateKeyCiphertext: bytes32(),
      ...overrides,
    },
  });
}

export async function buildLinkCode(
  db: Transaction,
  overrides: Partial<Prisma.LinkCodeUncheckedCreateInput> = {},
) {
  const userId = overrides.userId ?? (await buildUser(db)).id;
  return db.linkCode.create({
    data: { codeHash: bytes32(), createdById: userId, expiresAt: inDays(1), ...overrides, userId },
  });
}

export async function buildPendingBinding(
  db: Transaction,
  overrides: Partial<Prisma.PendingBindingUncheckedCreateInput> = {},
) {
  const userId = overrides.userId ?? (await buildUser(db)).id;
  return db.pendingBinding.create({
    data: {
      tokenHash: bytes32(),
      kind: 'DEVICE_LIMIT_REACHED',
      payload: {},
      expiresAt: inDays(1),
      ...overrides,
      userId,
    },
  });
}

/** An open stay. */
export async function buildDeviceStay(
  db: Transaction,
  overrides: Partial<Prisma.DeviceStayUncheckedCreateInput> = {},
) {
  const device = overrides.deviceId ? undefined : await buildDevice(db, pickUser(overrides));
  const userId = overrides.userId ?? device?.userId ?? (await buildUser(db)).id;
  return db.deviceStay.create({ data: { deviceId: device?.id ?? null, ...overrides, userId } });
}

/** A plan on sale, without limits and without nodes. */
export function buildPlan(db: Transaction, overrides: Partial<Prisma.PlanUncheckedCreateInput> = {}) {
  return db.plan.create({ data: { name: unique('Plan'), ...overrides } });
}

export async function buildPlanNode(
  db: Transaction,
  overrides: Partial<Prisma.PlanNodeUncheckedCreateInput> = {},
) {
  const planId = overrides.planId ?? (await buildPlan(db)).id;
  const nodeId = overrides.nodeId ?? (await buildNode(db)).id;
  return db.planNode.create({ data: { planId, nodeId } });
}

/** A batch whose codes grant one month to one user each. */
export async function buildBatch(
  db: Transaction,
  overrides: Partial<Prisma.RedemptionBatchUncheckedCreateInput> = {},
) {
  const planId = overrides.planId ?? (await buildPlan(db)).id;
  return db.redemptionBatch.create({
    data: { unitTime: 'MONTH', quantity: 1, maxUses: 1, count: 1, created: 1, ...overrides, planId },
  });
}

/** A code for one use. Its lookup and ciphertext are random: nobody can type it. */
export async function buildCode(
  db: Transaction,
  overrides: Partial<Prisma.RedemptionCodeUncheckedCreateInput> = {},
) {
  const batchId = overrides.batchId ?? (await buildBatch(db)).id;
  return db.redemptionCode.create({
    data: { lookup: bytes32(), ciphertext: bytes32(), hint: 'ZZZZ', maxUses: 1, ...overrides, batchId },
  });
}

/**
 * An order, PAID unless told otherwise, with the snapshot of its code's batch and plan.
 * Counts itself on the code: a PAID one as a reserved use, a FINISHED one as a used one.
 */
export async function buildOrder(db: Transaction, overrides: Partial<Prisma.OrderUncheckedCreateInput> = {}) {
  const { status = 'PAID' } = overrides;
  const userId = overrides.userId ?? (await buildUser(db)).id;
  const codeId = overrides.codeId ?? (await buildCode(db)).id;
  const code = await db.redemptionCode.findUniqueOrThrow({
    where: { id: codeId },
    include: { batch: { include: { plan: true } } },
  });
  const { batch } = code;
  const order = await db.order.create({
    data: {
      orderNo: unique('order'),
      redeemedById: userId,
      batchId: batch.id,
      planId: batch.planId,
      unitTime: batch.unitTime,
      quantity: batch.quantity,
      trafficLimit: batch.plan.trafficLimit,
      resetCycle: batch.plan.resetCycle,
      codeHint: code.hint,
      ...(await endOfOrder(db, { status, userId, planId: batch.planId, ...pickSubscription(overrides) })),
      ...overrides,
      userId,
      codeId,
    },
  });
  if (status === 'PAID') await countUse(db, codeId, 'reservedCount');
  if (status === 'FINISHED') await countUse(db, codeId, 'usedCount');
  return order;
}

/** The record of a FINISHED order; without one given, of a new one. */
export async function buildRedemption(
  db: Transaction,
  overrides: Partial<Prisma.RedemptionUncheckedCreateInput> = {},
) {
  const order = overrides.orderId
    ? await db.order.findUniqueOrThrow({ where: { id: overrides.orderId } })
    : await buildOrder(db, { status: 'FINISHED', ...pickUser(overrides) });
  const { id: orderId, codeId, batchId, redeemedById, userId, planId, subscriptionId, codeHint } = order;
  if (subscriptionId === null) throw new Error('a redemption belongs to a FINISHED order');
  return db.redemption.create({
    data: { orderId, codeId, batchId, redeemedById, userId, planId, subscriptionId, codeHint, ...overrides },
  });
}

/** A live subscription of 30 days, without a traffic limit. */
export async function buildSubscription(
  db: Transaction,
  overrides: Partial<Prisma.UserSubscriptionUncheckedCreateInput> = {},
) {
  const userId = overrides.userId ?? (await buildUser(db)).id;
  const planId = overrides.planId ?? (await buildPlan(db)).id;
  return db.userSubscription.create({
    data: {
      token: unique('token'),
      credential: randomUUID(),
      startsAt: inDays(0),
      expiresAt: inDays(30),
      ...overrides,
      userId,
      planId,
    },
  });
}

export function buildServer(db: Transaction, overrides: Partial<Prisma.ServerUncheckedCreateInput> = {}) {
  return db.server.create({
    data: { name: unique('server'), address: '192.0.2.1', tokenHash: bytes32(), ...overrides },
  });
}

export async function buildNode(db: Transaction, overrides: Partial<Prisma.NodeUncheckedCreateInput> = {}) {
  const serverId = overrides.serverId ?? (await buildServer(db)).id;
  return db.node.create({
    data: {
      name: unique('node'),
      protocol: 'SHADOWSOCKS',
      port: 8388,
      clientConfig: { method: 'aes-256-gcm' },
      ...overrides,
      serverId,
    },
  });
}

export async function buildTrafficReport(
  db: Transaction,
  overrides: Partial<Prisma.TrafficReportUncheckedCreateInput> = {},
) {
  const serverId = overrides.serverId ?? (await buildServer(db)).id;
  return db.trafficReport.create({ data: { bootId: randomUUID(), sequence: 0n, ...overrides, serverId } });
}

export function buildAd(db: Transaction, overrides: Partial<Prisma.AdUncheckedCreateInput> = {}) {
  return db.ad.create({ data: { type: 'banner', title: unique('Ad'), content: 'Hello', ...overrides } });
}

export function buildAuditEntry(
  db: Transaction,
  overrides: Partial<Prisma.AuditEntryUncheckedCreateInput> = {},
) {
  return db.auditEntry.create({ data: { action: 'updateSite', ...overrides } });
}

export async function buildWrongGuess(
  db: Transaction,
  overrides: Partial<Prisma.WrongGuessUncheckedCreateInput> = {},
) {
  const userId = overrides.userId ?? (await buildUser(db)).id;
  return db.wrongGuess.create({ data: { day: inDays(0), ...overrides, userId } });
}

/** What the database wants beside each status. */
async function endOfOrder(
  db: Transaction,
  order: { status: string; userId: string; planId: string; subscriptionId?: string },
) {
  const { status, userId, planId } = order;
  if (status === 'PAID') return { nextAttemptAt: inDays(5 / 86_400) };
  if (status === 'FAILED') return { finishedAt: inDays(0), failureCode: 'ACTIVATION_FAILED' };
  if (status === 'CLOSED') return { finishedAt: inDays(0) };
  const subscriptionId = order.subscriptionId ?? (await buildSubscription(db, { userId, planId })).id;
  return { finishedAt: inDays(0), subscriptionId };
}

function countUse(db: Transaction, id: string, counter: 'reservedCount' | 'usedCount') {
  return db.redemptionCode.update({ where: { id }, data: { [counter]: { increment: 1 } } });
}

const pickUser = ({ userId }: { userId?: string }) => (userId === undefined ? {} : { userId });
const pickSubscription = ({ subscriptionId }: { subscriptionId?: string | null }) =>
  subscriptionId ? { subscriptionId } : {};
