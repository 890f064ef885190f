import { Ctx, Query, Resolver, Root, Subscription } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { AdminOnly } from '../../kernel/access.ts';
import { type QueueSnapshot, readQueueStatus } from './read-queue-status.ts';
import type { StatisticsSnapshot } from './read-statistics.ts';
import { QueueStatus, Statistics } from './statistics.types.ts';
import { watchStatistics } from './watch-statistics.ts';

@Resolver()
export class StatisticsAdminResolver {
  @AdminOnly()
  @Query(() => Statistics, {
    nullable: true,
    description: 'Current load and backlog of the service. Does not need Redis.',
  })
  statistics(@Ctx() { statistics }: Context): Promise<StatisticsSnapshot> {
    return statistics();
  }

  @AdminOnly()
  @Query(() => QueueStatus, {
    nullable: true,
    description: 'State of the background jobs. Fails with SERVICE_UNAVAILABLE while Redis is unavailable.',
  })
  queueStatus(@Ctx() context: Context): Promise<QueueSnapshot> {
    return readQueueStatus(context);
  }

  @AdminOnly()
  @Subscription(() => Statistics, {
    description: 'Current load and backlog of the service: sent immediately, then every second.',
    subscribe: ({ context }: { context: Context }) => watchStatistics(context),
  })
  statisticsChanged(@Root() statistics: StatisticsSnapshot): StatisticsSnapshot {
    return statistics;
  }
}
