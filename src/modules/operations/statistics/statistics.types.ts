import { Field, Float, Int, ObjectType } from 'type-graphql';
import type { JobRun as JobRunRow } from '../../../generated/prisma/client.ts';
import { DateTimeScalar, JsonScalar } from '../../../platform/graphql/scalars.ts';
import { Plan } from '../../catalog/plan/plan.types.ts';
import type { PlanRedemptionCount } from './count-redemptions.ts';
import type { QueueSnapshot } from './read-queue-status.ts';
import type { StatisticsSnapshot } from './read-statistics.ts';

@ObjectType({ description: 'Number of redemptions of one plan.' })
export class PlanRedemptions implements PlanRedemptionCount {
  @Field(() => Plan, { description: 'The redeemed plan, even if it has been deleted since.' })
  plan!: PlanRedemptionCount['plan'];

  @Field(() => Int, { description: 'Number of redemptions since the start of the UTC day.' })
  count!: number;
}

@ObjectType({ description: 'Load and backlog of the service at one time, read from PostgreSQL.' })
export class Statistics implements StatisticsSnapshot {
  @Field(() => DateTimeScalar, { description: 'When the statistics were read, by the database clock.' })
  at!: Date;

  @Field(() => Float, { description: 'Orders activated per second, averaged over the last ten seconds.' })
  activationsPerSecond!: number;

  @Field(() => Int, { description: 'Orders that are accepted but not activated yet (PAID).' })
  queueDepth!: number;

  @Field(() => Int, {
    nullable: true,
    description:
      'Age of the oldest PAID order in seconds. Null if there are no PAID orders. A value above 30 indicates a problem.',
  })
  oldestPaidOrderSeconds!: number | null;

  @Field(() => Int, { description: 'Number of devices with an open websocket.' })
  devicesOnline!: number;

  @Field(() => Int, { description: 'Number of servers with the status ONLINE.' })
  serversOnline!: number;

  @Field(() => Int, { description: 'Number of servers with the status LAGGING.' })
  serversLagging!: number;

  @Field(() => Int, { description: 'Number of servers with the status OFFLINE.' })
  serversOffline!: number;

  @Field(() => [PlanRedemptions], {
    description:
      'Redemptions since the start of the UTC day per plan, most redeemed first. Plans without redemptions are omitted.',
  })
  redemptionsToday!: PlanRedemptionCount[];
}

@ObjectType({ description: 'The last run of a repeated job.' })
export class JobRun implements JobRunRow {
  @Field(() => String, { description: 'Name of the job.' })
  name!: string;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the job last ran. Null if it never has.',
  })
  lastRunAt!: Date | null;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'Progress of the latest run that found work, in a format that depends on the job.',
  })
  progress!: JobRunRow['progress'];
}

@ObjectType({
  description:
    'State of the background jobs. Failed orders are not failed jobs: query `orders(filter: {status: FAILED})` for those.',
})
export class QueueStatus implements QueueSnapshot {
  @Field(() => Int, { description: 'Number of jobs that wait for a worker.' })
  waiting!: number;

  @Field(() => Int, { description: 'Number of jobs in progress.' })
  active!: number;

  @Field(() => Int, { description: 'Number of jobs that are scheduled for later, retries included.' })
  delayed!: number;

  @Field(() => Int, {
    description:
      'Number of jobs that failed within a week, at most 100 of each kind. Activations and batches are not counted: their orders and batches have a status.',
  })
  failed!: number;

  @Field(() => Int, { description: 'Orders that are accepted but not activated yet (PAID).' })
  paidOrders!: number;

  @Field(() => Int, {
    nullable: true,
    description: 'Age of the oldest PAID order in seconds. Null if there are no PAID orders.',
  })
  oldestPaidOrderSeconds!: number | null;

  @Field(() => [JobRun], { description: 'The last run of each repeated job, sorted by name.' })
  lastRuns!: JobRunRow[];
}
