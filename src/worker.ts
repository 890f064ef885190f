import { endStaleStays } from './modules/identity/presence/end-stale-stays.ts';
import { sealNodeConfigsJob } from './modules/network/node/seal-node-configs.job.ts';
import { sealNodeConfigs } from './modules/network/node/seal-node-configs.ts';
import { resetTrafficJob } from './modules/network/traffic/reset-traffic.job.ts';
import { isResetDue, resetTraffic } from './modules/network/traffic/reset-traffic.ts';
import { applyRetentionJob } from './modules/operations/retention/apply-retention.job.ts';
import { applyRetention } from './modules/operations/retention/apply-retention.ts';
import type { Retention } from './modules/operations/retention/retention-rules.ts';
import { activateOrderJob } from './modules/redemption/accept/activate-order.job.ts';
import { activateOrder, createActivations } from './modules/redemption/activate/activate-orders.ts';
import { reconcileOrders } from './modules/redemption/activate/reconcile-orders.ts';
import { createBatchFills, resumeBatch } from './modules/redemption/batch/batch-fills.ts';
import { fillBatchJob } from './modules/redemption/batch/fill-batch.job.ts';
import { expireSubscriptionsJob } from './modules/subscription/expire-subscriptions.job.ts';
import { expireSubscriptions, isExpiryDue } from './modules/subscription/expire-subscriptions.ts';
import { reviveSubscriptions } from './modules/subscription/revive-subscriptions.ts';
import { repeat } from './platform/concurrency/repeat.ts';
import { startRepeatedJobs } from './platform/jobs/repeated-jobs.ts';
import type { Services } from './platform/services.ts';

export interface RunningWorker {
  /** Stops gracefully: starts no further work and resolves once the work in flight is done. */
  stop: () => Promise<void>;
}

const RECONCILE_INTERVAL_MS = 1_000;
const END_STAYS_INTERVAL_MS = 5_000;
const RESUME_BATCH_INTERVAL_MS = 5_000;

/** Starts all background work of a process: queue consumers, polling loops and scheduled jobs. */
export function startWorker(
  shared: Services,
  config: Retention & { BATCH_SIZE: number; LANES?: number },
): RunningWorker {
  const { BATCH_SIZE, LANES = 1 } = config;
  const services = {
    ...shared,
    activations: createActivations(shared, { maxSize: BATCH_SIZE, lanes: LANES }),
    batchFills: createBatchFills(shared),
  };
  services.jobs.process(activateOrderJob, (activation) => activateOrder(services, activation));
  services.jobs.process(fillBatchJob, ({ batchId }) => services.batchFills.fill(batchId));
  const reconciler = repeat(() => reconcileOrders(services), {
    everyMs: RECONCILE_INTERVAL_MS,
    log: services.log,
  });
  const sweep = repeat(() => endStaleStays(services), { everyMs: END_STAYS_INTERVAL_MS, log: services.log });
  const resumption = repeat(() => resumeBatch(services), {
    everyMs: RESUME_BATCH_INTERVAL_MS,
    log: services.log,
  });
  const repeated = startRepeatedJobs(services, [
    [
      expireSubscriptionsJob,
      {
        run: async (signal) => {
          await reviveSubscriptions(services, signal);
          await expireSubscriptions(services, signal);
        },
        isDue: () => isExpiryDue(services),
      },
    ],
    [resetTrafficJob, { run: (signal) => resetTraffic(services, signal), isDue: () => isResetDue(services) }],
    [applyRetentionJob, { run: (signal) => applyRetention(services, config, signal) }],
    [sealNodeConfigsJob, { run: (signal) => sealNodeConfigs(services, signal) }],
  ]);
  return {
    stop: async () => {
      await Promise.all([
        services.batchFills.stop(),
        ...[reconciler, sweep, resumption, repeated].map((repetition) => repetition.stop()),
        services.jobs.pause(),
      ]);
      await services.activations.drain();
    },
  };
}
