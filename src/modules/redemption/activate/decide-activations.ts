import { uuidv7 } from 'uuidv7';
import type { Order } from '../../../generated/prisma/client.ts';
import { newCredentials } from '../../subscription/credentials.ts';
import { beginSubscription, extendSubscription, type GrantedSubscription } from '../../subscription/grant.ts';

/**
 * Why an accepted order fails. Edits of its code or plan after acceptance do not matter; deleting
 * the plan does.
 */
export type ActivationRefusal =
  | 'CODE_ALREADY_REDEEMED'
  | 'QUOTA_EXCEEDED'
  | 'ACCOUNT_DISABLED'
  | 'PLAN_NOT_AVAILABLE';

/** A PAID order with the facts that decide its activation, read under the locks. */
export interface PaidOrder extends Order {
  /** When the facts were read, by PostgreSQL's clock. */
  now: Date;
  ownerIsActive: boolean;
  planIsDeleted: boolean;
  quota: number | null;
  /** Whether the owner or the redeemer has a redemption of the code, or the owner inherited one. */
  isRedeemed: boolean;
  /** The owner's subscriptions of the plan that count towards its quota. */
  subscriptionsEver: number;
}

/** A subscription in status ACTIVE or EXHAUSTED, even if it has expired and awaits the sweep. */
export type OpenSubscription = GrantedSubscription & { userId: string; planId: string };

type NewSubscription = OpenSubscription & { token: string; credential: string };

/** The writes that activate a group of orders. */
export interface ActivationDecisions {
  now: Date;
  /** Ids of open subscriptions to close because they have expired. */
  expired: string[];
  begun: NewSubscription[];
  extended: GrantedSubscription[];
  finished: (PaidOrder & { subscriptionId: string; redemptionId: string })[];
  failed: (PaidOrder & { failureCode: ActivationRefusal })[];
}

/** The live subscription of one user to one plan, after the orders decided so far. */
interface Slot {
  subscription: GrantedSubscription | null;
  /** Whether an order of this group starts it. */
  isBegun: boolean;
}

type GrantedSlot = Slot & { userId: string; planId: string; subscription: GrantedSubscription };

/**
 * Decides the orders one after another: of two orders of one user for one plan, the second extends
 * what the first started or extended.
 *
 * @param orders in ascending order of their ids
 * @param open all open subscriptions of the orders' owners to the orders' plans
 */
export function decideActivations(
  orders: readonly PaidOrder[],
  open: readonly OpenSubscription[],
  now: Date,
): ActivationDecisions {
  const isExpired = ({ expiresAt }: OpenSubscription) => expiresAt !== null && expiresAt <= now;
  const expired = open.filter(isExpired).map(({ id }) => id);
  const decisions: ActivationDecisions = { now, expired, begun: [], extended: [], finished: [], failed: [] };
  const live = open.filter((subscription) => !isExpired(subscription));
  const slots = new Map<string, Slot>(
    live.map((subscription) => [keyOf(subscription), { subscription, isBegun: false }]),
  );
  const granted = new Map<string, GrantedSlot>();
  const redeemed = new Set<string>();
  for (const order of orders) {
    const slot = slots.get(keyOf(order)) ?? { subscription: null, isBegun: false };
    const failureCode = refusalOf(order, slot, redeemed);
    if (failureCode) {
      decisions.failed.push({ ...order, failureCode });
      continue;
    }
    const after = grantTo(slot, order, now);
    slots.set(keyOf(order), after);
    granted.set(keyOf(order), after);
    for (const pair of redeemerCodePairs(order)) redeemed.add(pair);
    decisions.finished.push({ ...order, subscriptionId: after.subscription.id, redemptionId: uuidv7() });
  }
  for (const { subscription, isBegun, userId, planId } of granted.values()) {
    if (isBegun) decisions.begun.push({ ...subscription, userId, planId, ...newCredentials() });
    else decisions.extended.push(subscription);
  }
  return decisions;
}

const keyOf = ({ userId, planId }: { userId: string; planId: string }) => `${userId}:${planId}`;

/** A merge gives an order an owner other than its redeemer; neither may redeem the code again. */
const redeemerCodePairs = ({ redeemedById, userId, codeId }: Order) =>
  [redeemedById, userId].map((redeemerId) => `${redeemerId}:${codeId}`);

/** @param redeemed (redeemer, code) pairs of the orders of this group finished so far */
function refusalOf(
  order: PaidOrder,
  { subscription }: Slot,
  redeemed: ReadonlySet<string>,
): ActivationRefusal | null {
  if (!order.ownerIsActive) return 'ACCOUNT_DISABLED';
  if (order.isRedeemed || redeemerCodePairs(order).some((pair) => redeemed.has(pair)))
    return 'CODE_ALREADY_REDEEMED';
  if (order.planIsDeleted) return 'PLAN_NOT_AVAILABLE';
  const isOverQuota = subscription === null && order.quota !== null && order.subscriptionsEver >= order.quota;
  return isOverQuota ? 'QUOTA_EXCEEDED' : null;
}

function grantTo({ subscription, isBegun }: Slot, order: PaidOrder, now: Date): GrantedSlot {
  const { userId, planId } = order;
  if (!subscription)
    return { userId, planId, subscription: beginSubscription(uuidv7(), order, now), isBegun: true };
  return { userId, planId, subscription: extendSubscription(subscription, order, now), isBegun };
}
