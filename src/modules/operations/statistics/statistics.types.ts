import { Field, Float, Int, ObjectType } from 'type-graphql';
import type { JobRun as JobRunRow } from '../../../generated/prisma/client.ts';
import { DateTimeScalar, JsonScalar } from '../../../platform/graphql/scalars.ts';
import { Plan } from '../../catalog/plan/plan.types.ts';
import type { PlanRedemptionCount } from './count-redemptions.ts';
import type { QueueSnapshot } from './read-queue-status.ts';
import type { StatisticsSnapshot } from './read-statistics.ts';

@ObjectType({ description: 'How often a plan was redeemed.' })
export class PlanRedemptions implements PlanRedemptionCount {
  @Field(() => Plan, { description: 'The plan.' })
  plan!: PlanRedemptionCount['plan'];

  @Field(() => Int, { description: 'How often.' })
  count!: number;
}

@ObjectType({ description: 'How the service is doing at one moment, by what PostgreSQL knows.' })
export class Statistics implements StatisticsSnapshot {
  @Field(() => DateTimeScalar, { description: 'The moment.' })
  at!: Date;

  @Field(() => Float, { description: 'Orders activated in a second, over the last ten seconds.' })
  activationsPerSecond!: number;

  @Field(() => Int, { description: 'Orders that are accepted and not activated yet (PAID).' })
  queueDepth!: number;

  @Field(() => Int, {
    nullable: true,
    description:
      'How many seconds the oldest of them has waited; null when there is none. Above 30 something is wrong.',
  })
  oldestPaidOrderSeconds!: number | null;

  @Field(() => Int, { description: 'Devices with an open websocket.' })
  devicesOnline!: number;

  @Field(() => Int, { description: 'Servers that are ONLINE.' })
  serversOnline!: number;

  @Field(() => Int, { description: 'Servers that are LAGGING.' })
  serversLagging!: number;

  @Field(() => Int, { description: 'Servers that are OFFLINE.' })
  serversOffline!: number;

  @Field(() => [PlanRedemptions], {
    description: 'Redemptions of the day in UTC by plan, the most first; plans without any are left out.',
  })
  redemptionsToday!: PlanRedemptionCount[];
}

@ObjectType({ description: 'When a repeated job last ran.' })
export class JobRun implements JobRunRow {
  @Field(() => String, { description: 'The name of the job.' })
  name!: string;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it last ran; null before it has.' })
  lastRunAt!: Date | null;

  @Field(() => JsonScalar, { nullable: true, description: 'How far it has come, in its own terms.' })
  progress!: JobRunRow['progress'];
}

@ObjectType({
  description:
    'The background jobs. A failed order is no failed job: `orders(filter: {status: FAILED})` has those.',
})
export class QueueStatus implements QueueSnapshot {
  @Field(() => Int, { description: 'Jobs that wait to be done.' })
  waiting!: number;

  @Field(() => Int, { description: 'Jobs that are being done.' })
  active!: number;

  @Field(() => Int, { description: 'Jobs that are tried again, or due, later.' })
  delayed!: number;

  @Field(() => Int, { description: 'Jobs that were given up and are still there.' })
  failed!: number;

  @Field(() => Int, { description: 'Orders that are accepted and not activated yet (PAID).' })
  paidOrders!: number;

  @Field(() => Int, {
    nullable: true,
    description: 'How many seconds the oldest of them has waited; null when there is none.',
  })
  oldestPaidOrderSeconds!: number | null;

  @Field(() => [JobRun], { description: 'When each repeated job last ran, by name.' })
  lastRuns!: JobRunRow[];
}
