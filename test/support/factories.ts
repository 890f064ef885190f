import { randomBytes, randomUUID } from 'node:crypto';
import type { Prisma } from '../../src/generated/prisma/client.ts';
import type { UserCaller } from '../../src/modules/kernel/caller.ts';
import type { Transaction } from '../../src/platform/database/database.ts';

// Each factory inserts one valid row and the rows it depends on. Traits set the columns of a named
// state; overrides win over traits and defaults.

const DAY_MS = 86_400_000;

/** The time `days` days from now; in the past if negative. */
export const inDays = (days: number) => new Date(Date.now() + days * DAY_MS);
/** 32 random bytes, for hashes, seeds and lookups. */
export const bytes32 = () => new Uint8Array(randomBytes(32));
/** A unique name. */
export const unique = (prefix: string) => `${prefix}-${randomUUID()}`;

/** Overrides of the columns, and names of states that set columns. */
type Overrides<Columns, Traits = never> = Partial<Columns> & { traits?: readonly (keyof Traits)[] };

/** Replaces `traits` by the columns that they set. */
function applyTraits<Columns extends object, Traits extends Record<string, () => Partial<Columns>>>(
  traits: Traits,
  { traits: names = [], ...overrides }: Overrides<Columns, Traits>,
): Partial<Columns> {
  const columns = names.map((name) => traits[name]?.() ?? {});
  return Object.assign({}, ...columns, overrides) as Partial<Columns>;
}

const USER_TRAITS = {
  admin: () => ({ role: 'ADMIN' as const }),
  closed: () => ({ deletedAt: inDays(0) }),
  disabled: () => ({ enabled: false }),
};

export function buildUser(
  db: Transaction,
  overrides: Overrides<Prisma.UserUncheckedCreateInput, typeof USER_TRAITS> = {},
) {
  return db.user.create({ data: applyTraits(USER_TRAITS, overrides) });
}

/** A device identity, or with `type: 'EMAIL'` an e-mail identity whose hash matches no password. */
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

const DEVICE_TRAITS = { disabled: () => ({ enabled: false }) };

/** A device with its identity, without a secret or key. */
export async function buildDevice(
  db: Transaction,
  {
    identifier,
    ...given
  }: Overrides<Prisma.DeviceUncheckedCreateInput, typeof DEVICE_TRAITS> & { identifier?: string } = {},
) {
  const overrides = applyTraits(DEVICE_TRAITS, given);
  const userId = overrides.userId ?? (await buildUser(db)).id;
  const identityId =
    overrides.identityId ??
    (await buildIdentity(db, { userId, ...(identifier && { value: identifier }) })).id;
  return db.device.create({ data: { ...overrides, userId, identityId } });
}

const SESSION_TRAITS = {
  expired: () => ({ expiresAt: inDays(-1) }),
  revoked: () => ({ revokedAt: inDays(0) }),
};

/** A session without a device, unless one is given; then `userId` is required as well. */
export async function buildSession(
  db: Transaction,
  given: Overrides<Prisma.SessionUncheckedCreateInput, typeof SESSION_TRAITS> = {},
) {
  const overrides = applyTraits(SESSION_TRAITS, given);
  const userId = overrides.userId ?? (await buildUser(db)).id;
  return db.session.create({ data: { refreshSeed: bytes32(), expiresAt: inDays(30), ...overrides, userId } });
}

/** A new session without a device, as the caller of a verb. */
export async function buildCaller(
  db: Transaction,
  { role = 'USER', userId }: { role?: 'USER' | 'ADMIN'; userId?: string } = {},
): Promise<UserCaller> {
  const owner = userId ?? (await buildUser(db, { role })).id;
  const { id: sessionId } = await buildSession(db, { userId: owner });
  return { kind: 'user', userId: owner, role, sessionId, deviceId: null };
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

/** A stay that has not ended. */
export async function buildDeviceStay(
  db: Transaction,
  overrides: Partial<Prisma.DeviceStayUncheckedCreateInput> = {},
) {
  const device = overrides.deviceId ? undefined : await buildDevice(db, pickUser(overrides));
  const userId = overrides.userId ?? device?.userId ?? (await buildUser(db)).id;
  return db.deviceStay.create({ data: { deviceId: device?.id ?? null, ...overrides, userId } });
}

const PLAN_TRAITS = {
  deleted: () => ({ deletedAt: inDays(0) }),
  hidden: () => ({ status: 'HIDDEN' as const }),
  withdrawn: () => ({ status: 'WITHDRAWN' as const }),
};

/** A plan on sale, without limits or nodes. */
export function buildPlan(
  db: Transaction,
  overrides: Overrides<Prisma.PlanUncheckedCreateInput, typeof PLAN_TRAITS> = {},
) {
  return db.plan.create({ data: { name: unique('Plan'), ...applyTraits(PLAN_TRAITS, overrides) } });
}

export async function buildPlanNode(
  db: Transaction,
  overrides: Partial<Prisma.PlanNodeUncheckedCreateInput> = {},
) {
  const planId = overrides.planId ?? (await buildPlan(db)).id;
  const nodeId = overrides.nodeId ?? (await buildNode(db)).id;
  return db.planNode.create({ data: { planId, nodeId } });
}

const BATCH_TRAITS = {
  deleted: () => ({ deletedAt: inDays(0) }),
  disabled: () => ({ enabled: false }),
};

/** A batch whose codes grant one month and have one use each. */
export async function buildBatch(
  db: Transaction,
  given: Overrides<Prisma.RedemptionBatchUncheckedCreateInput, typeof BATCH_TRAITS> = {},
) {
  const overrides = applyTraits(BATCH_TRAITS, given);
  const planId = overrides.planId ?? (await buildPlan(db)).id;
  return db.redemptionBatch.create({
    data: { unitTime: 'MONTH', quantity: 1, maxUses: 1, count: 1, created: 1, ...overrides, planId },
  });
}

const CODE_TRAITS = {
  deleted: () => ({ deletedAt: inDays(0) }),
  disabled: () => ({ enabled: false }),
  exhausted: () => ({ maxUses: 1, usedCount: 1 }),
  expired: () => ({ expiresAt: inDays(-1) }),
  unlimited: () => ({ maxUses: null }),
};

/**
 * A code with one use. Its lookup and ciphertext are random, so it cannot be redeemed: see
 * `newCode`.
 */
export async function buildCode(
  db: Transaction,
  given: Overrides<Prisma.RedemptionCodeUncheckedCreateInput, typeof CODE_TRAITS> = {},
) {
  const overrides = applyTraits(CODE_TRAITS, given);
  const batchId = overrides.batchId ?? (await buildBatch(db)).id;
  return db.redemptionCode.create({
    data: { lookup: bytes32(), ciphertext: bytes32(), hint: 'ZZZZ', maxUses: 1, ...overrides, batchId },
  });
}

/**
 * An order with a snapshot of its code's batch and plan. Default status PAID.
 *
 * Updates the counters of the code: a PAID order reserves a use, a FINISHED one uses it.
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

/** The redemption of a FINISHED order, which is created unless given. */
export async function buildRedemption(
  db: Transaction,
  overrides: Partial<Prisma.RedemptionUncheckedCreateInput> = {},
) {
  const order = overrides.orderId
    ? await db.order.findUniqueOrThrow({ where: { id: overrides.orderId } })
    : await buildOrder(db, { status: 'FINISHED', ...pickUser(overrides) });
  const { id: orderId, codeId, batchId, redeemedById, userId, planId, subscriptionId, codeHint } = order;
  if (subscriptionId === null) throw new Error('a redemption needs a FINISHED order');
  return db.redemption.create({
    data: { orderId, codeId, batchId, redeemedById, userId, planId, subscriptionId, codeHint, ...overrides },
  });
}

const SUBSCRIPTION_TRAITS = {
  exhausted: () => ({ status: 'EXHAUSTED' as const, trafficLimit: 0n }),
  expired: () => ({ status: 'EXPIRED' as const, startsAt: inDays(-9), expiresAt: inDays(-1) }),
  /** Past its expiry, but not yet updated by the sweep. */
  overdue: () => ({ startsAt: inDays(-9), expiresAt: inDays(-1) }),
  stopped: () => ({ status: 'STOPPED' as const }),
};

/** A live subscription for 30 days, without a traffic limit. */
export async function buildSubscription(
  db: Transaction,
  given: Overrides<Prisma.UserSubscriptionUncheckedCreateInput, typeof SUBSCRIPTION_TRAITS> = {},
) {
  const overrides = applyTraits(SUBSCRIPTION_TRAITS, given);
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

const NODE_TRAITS = {
  deleted: () => ({ deletedAt: inDays(0) }),
  disabled: () => ({ enabled: false }),
};

export async function buildNode(
  db: Transaction,
  given: Overrides<Prisma.NodeUncheckedCreateInput, typeof NODE_TRAITS> = {},
) {
  const overrides = applyTraits(NODE_TRAITS, given);
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

/** Columns that constraints require for each status. */
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
