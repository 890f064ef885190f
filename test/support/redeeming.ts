import { onTestFinished } from 'vitest';
import { createShared } from '../../src/context.ts';
import type { Order } from '../../src/generated/prisma/client.ts';
import { redeemCode } from '../../src/modules/redemption/accept/redeem-code.ts';
import { activateOrders } from '../../src/modules/redemption/activate/activate-orders.ts';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import { armCrashPoint, type Crash } from '../../src/platform/crash-points.ts';
import { DomainError } from '../../src/platform/errors.ts';
import type { RunningServices, ServiceSettings } from '../../src/platform/services.ts';
import { buildUser } from './factories.ts';
import { createTestServices } from './services.ts';

/** Redeems codes without HTTP and without a worker: orders stay PAID until `activate` is called. */
export interface Redeeming {
  services: RunningServices & ReturnType<typeof createShared>;
  /** Creates a user and returns its id. */
  user(): Promise<string>;
  redeem(userId: string, code: string, idempotencyKey?: string): Promise<Order>;
  /** Redeems as another process would, with coalescers of its own. */
  elsewhere(): Redeeming['redeem'];
  activate(...orders: Pick<Order, 'id'>[]): Promise<void>;
  /** Reads the current order. */
  order(order: Pick<Order, 'id'>): Promise<Order>;
  uses(codeId: string): Promise<{ usedCount: number; reservedCount: number }>;
  close(): Promise<void>;
}

interface Settings extends Partial<ServiceSettings> {
  lock?: boolean;
}

export async function startRedeeming({ lock = true, ...settings }: Settings = {}): Promise<Redeeming> {
  const running = await createTestServices(settings);
  const { db } = running;
  const share = () => ({ ...running, ...createShared(running, { BATCH_SIZE: 128, REDEMPTION_LOCK: lock }) });
  const redeemBy =
    (services: ReturnType<typeof share>): Redeeming['redeem'] =>
    (userId, code, idempotencyKey = undefined) =>
      redeemCode(services, { userId, input: { code, idempotencyKey } });
  const services = share();
  return {
    services,
    user: async () => (await buildUser(db)).id,
    redeem: redeemBy(services),
    elsewhere: () => redeemBy(share()),
    activate: (...orders) =>
      activateOrders(
        services,
        orders.map(({ id }) => id),
      ),
    order: ({ id }) => db.order.findUniqueOrThrow({ where: { id } }),
    uses: (id) =>
      db.redemptionCode.findUniqueOrThrow({
        where: { id },
        select: { usedCount: true, reservedCount: true },
      }),
    close: running.close,
  };
}

/** Returns the DomainError that the work rejects with; throws if it succeeds or fails otherwise. */
export async function refusalOf(work: Promise<unknown>): Promise<DomainError> {
  const outcome = await work.catch((error: unknown) => error);
  if (outcome instanceof DomainError) return outcome;
  throw outcome instanceof Error ? outcome : new Error(`not refused: ${JSON.stringify(outcome)}`);
}

/** Counts the outcomes: OK, or the code of the error. */
export async function tally(works: readonly Promise<unknown>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const outcome of await Promise.allSettled(works)) {
    const name = outcome.status === 'fulfilled' ? 'OK' : nameOf(outcome.reason);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const nameOf = (error: unknown) => (error instanceof DomainError ? error.code : String(error));

/** Arms a crash point until the end of the test; the returned function disarms it earlier. */
export function armed(name: string, crash: Crash): () => void {
  const disarm = armCrashPoint(name, crash);
  onTestFinished(() => void disarm());
  return disarm;
}

export function fails(): never {
  throw new Error('injected failure');
}

/** Waits until the condition is true; throws after `limitMs`. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  limitMs = 10_000,
): Promise<void> {
  if (!(await pollUntil(condition, limitMs))) throw new Error(`not within ${limitMs} ms: ${condition}`);
}

/**
 * Starts the second work when the first one reaches the crash point before its commit. The first
 * one continues once the second waits for a lock, or after two seconds.
 *
 * @returns the outcome of the second work
 */
export async function overlapping<Late>(
  { db }: Pick<RunningServices, 'db'>,
  point: string,
  { first, second }: { first: () => Promise<unknown>; second: () => Promise<Late> },
): Promise<Late> {
  const isWaited = async () => {
    const [row] = await db.$queryRaw<[{ count: bigint }]>`
      SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    return row.count > 0n;
  };
  let late: Promise<Late> | undefined;
  armed(point, async () => {
    if (late) return;
    late = second();
    late.catch(() => {});
    await eventually(isWaited, 2_000);
  });
  await first();
  if (!late) throw new Error('the crash point was not reached');
  return late;
}
