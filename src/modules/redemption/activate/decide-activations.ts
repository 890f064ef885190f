import { uuidv7 } from 'uuidv7';
import type { Order } from '../../../generated/prisma/client.ts';
import { newCredentials } from '../../subscription/credentials.ts';
import { beginSubscription, extendSubscription, type GrantedSubscription } from '../../subscription/grant.ts';

/** Why an order that was accepted is not activated after all: only what must not be. */
export type ActivationRefusal =
  | 'CODE_ALREADY_REDEEMED'
  | 'QUOTA_EXCEEDED'
  | 'ACCOUNT_DISABLED'
  | 'PLAN_NOT_AVAILABLE';

/** A PAID order, and what decides about it, read under its locks. */
export interface PaidOrder extends Order {
  /** When it was read, by PostgreSQL's clock. */
  now: Date;
  ownerIsActive: boolean;
  planIsDeleted: boolean;
  quota: number | null;
  /** Whether its owner or its redeemer has redeemed the code already. */
  isRedeemed: boolean;
  subscriptionsEver: number;
}

/** The subscription of a plan that would be extended, and those whose time is over but that nobody has swept yet. */
export type OpenSubscription = GrantedSubscription & { userId: string; planId: string };

/** What a batch of activations will write. */
export interface ActivationDecisions {
  now: Date;
  /** Ids of subscriptions that make room for new ones. */
  expired: string[];
  begun: (GrantedSubscription & { userId: string; planId: string; token: string; credential: string })[];
  extended: GrantedSubscription[];
  finished: (PaidOrder & { subscriptionId: string; redemptionId: string })[];
  failed: (PaidOrder & { failureCode: ActivationRefusal })[];
}

/** Where the orders of one user for one plan meet. */
interface Slot {
  subscription: GrantedSubscription | null;
  isBegunHere: boolean;
  subscriptionsEver: number;
}

/**
 * Decides what becomes of the orders, in the order of their ids: of two orders of one user and plan the second
 * builds on what the first has made.
 */
export function decideActivations(
  orders: readonly PaidOrder[],
  open: readonly OpenSubscription[],
  now: Date,
): ActivationDecisions {
  const plan: ActivationDecisions = { now, expired: [], begun: [], extended: [], finished: [], failed: [] };
  const slots = openSlots(open, plan);
  const redeemed = new Set<string>();
  const changed = new Map<string, { order: PaidOrder; slot: Slot }>();
  for (const order of orders) {
    const key = `${order.userId}:${order.planId}`;
    const slot = slots.get(key) ?? {
      subscription: null,
      isBegunHere: false,
      subscriptionsEver: order.subscriptionsEver,
    };
    const refusal = refusalOf(order, slot, redeemed);
    if (refusal) {
      plan.failed.push({ ...order, failureCode: refusal });
      continue;
    }
    slots.set(key, grantTo(slot, order, now));
    changed.set(key, { order, slot: slots.get(key) ?? slot });
    for (const redeemer of [order.redeemedById, order.userId]) redeemed.add(`${redeemer}:${order.codeId}`);
    plan.finished.push({
      ...order,
      subscriptionId: slots.get(key)?.subscription?.id ?? '',
      redemptionId: uuidv7(),
    });
  }
  for (const { order, slot } of changed.values()) collect(plan, order, slot);
  return plan;
}

function openSlots(open: readonly OpenSubscription[], plan: ActivationDecisions): Map<string, Slot> {
  const slots = new Map<string, Slot>();
  for (const subscription of open) {
    if (subscription.expiresAt !== null && subscription.expiresAt <= plan.now)
      plan.expired.push(subscription.id);
    else
      slots.set(`${subscription.userId}:${subscription.planId}`, {
        subscription,
        isBegunHere: false,
        subscriptionsEver: 0,
      });
  }
  return slots;
}

function refusalOf(order: PaidOrder, slot: Slot, redeemed: ReadonlySet<string>): ActivationRefusal | null {
  const isRedeemedHere = [order.redeemedById, order.userId].some((id) =>
    redeemed.has(`${id}:${order.codeId}`),
  );
  if (!order.ownerIsActive) return 'ACCOUNT_DISABLED';
  if (order.isRedeemed || isRedeemedHere) return 'CODE_ALREADY_REDEEMED';
  if (order.planIsDeleted) return 'PLAN_NOT_AVAILABLE';
  const isOverQuota =
    slot.subscription === null && order.quota !== null && slot.subscriptionsEver >= order.quota;
  return isOverQuota ? 'QUOTA_EXCEEDED' : null;
}

function grantTo({ subscription, ...slot }: Slot, order: PaidOrder, now: Date): Slot {
  if (subscription) return { ...slot, subscription: extendSubscription(subscription, order, now) };
  return { ...slot, subscription: beginSubscription(uuidv7(), order, now), isBegunHere: true };
}

function collect(
  plan: ActivationDecisions,
  { userId, planId }: PaidOrder,
  { subscription, isBegunHere }: Slot,
): void {
  if (!subscription) return;
  if (!isBegunHere) plan.extended.push(subscription);
  else plan.begun.push({ ...subscription, userId, planId, ...newCredentials() });
}
