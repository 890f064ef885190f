import { endStaleStays } from './modules/identity/presence/end-stale-stays.ts';
import { forgetExpiredJob } from './modules/identity/session/delete-expired-logins.job.ts';
import { deleteExpiredLogins } from './modules/identity/session/delete-expired-logins.ts';
import { forgetTrafficReportsJob } from './modules/network/traffic/delete-old-traffic-reports.job.ts';
import { deleteOldTrafficReports } from './modules/network/traffic/delete-old-traffic-reports.ts';
import { resetTrafficJob } from './modules/network/traffic/reset-traffic.job.ts';
import { resetTraffic } from './modules/network/traffic/reset-traffic.ts';
import { activateOrderJob } from './modules/redemption/accept/activate-order.job.ts';
import { activateOrder, createActivations } from './modules/redemption/activate/activate-order.ts';
import { reconcileOrders } from './modules/redemption/activate/reconcile-orders.ts';
import { createBatchFiller, refillBatch } from './modules/redemption/batch/batch-filler.ts';
import { fillBatchJob } from './modules/redemption/batch/fill-batch.job.ts';
import { expireSubscriptionsJob } from './modules/subscription/expire-subscriptions.job.ts';
import { expireSubscriptions } from './modules/subscription/expire-subscriptions.ts';
import { repeat } from './platform/concurrency/repeat.ts';
import { startRepeatedJobs } from './platform/jobs/repeated-jobs.ts';
import type { Services } from './platform/services.ts';

/** The running background jobs of this process. */
export interface RunningWorker {
  /** Starts no new jobs, and waits for those in flight. */
  stop: () => Promise<void>;
}

const RECONCILE_EVERY_MS = 1_000;
const END_STAYS_EVERY_MS = 5_000;
const REFILL_EVERY_MS = 5_000;

/** Starts all background jobs. */
export function startWorker(shared: Services, { BATCH_SIZE }: { BATCH_SIZE: number }): RunningWorker {
  const services = {
    ...shared,
    activations: createActivations(shared, { maxSize: BATCH_SIZE }),
    filler: createBatchFiller(shared),
  };
  services.jobs.process(activateOrderJob, ({ orderId }) => activateOrder(services, orderId));
  services.jobs.process(fillBatchJob, ({ batchId }) => services.filler.fill(batchId));
  const reconciler = repeat(() => reconcileOrders(services), {
    everyMs: RECONCILE_EVERY_MS,
    log: services.log,
  });
  const sweep = repeat(() => endStaleStays(services), { everyMs: END_STAYS_EVERY_MS, log: services.log });
  const refills = repeat(() => refillBatch(services), { everyMs: REFILL_EVERY_MS, log: services.log });
  const repeated = startRepeatedJobs(services, [
    [expireSubscriptionsJob, (signal) => expireSubscriptions(services, signal)],
    [resetTrafficJob, (signal) => resetTraffic(services, signal)],
    [forgetExpiredJob, (signal) => deleteExpiredLogins(services, signal)],
    [forgetTrafficReportsJob, (signal) => deleteOldTrafficReports(services, signal)],
  ]);
  return {
    stop: async () => {
      await Promise.all([
        services.filler.stop(),
        ...[reconciler, sweep, refills, repeated].map((repetition) => repetition.stop()),
        services.jobs.pause(),
      ]);
      await services.activations.drain();
    },
  };
}
