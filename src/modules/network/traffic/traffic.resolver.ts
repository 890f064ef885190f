import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { AgentOnly, CurrentAgent } from '../../kernel/access.ts';
import type { AgentCaller } from '../../kernel/caller.ts';
import { reportTraffic } from './report-traffic.ts';
import { ReportTrafficInput, TrafficReceipt } from './traffic.types.ts';

@Resolver()
export class TrafficResolver {
  @AgentOnly()
  @Mutation(() => TrafficReceipt, {
    description:
      'Counts what the users of your server have sent and received; a report counts once, however often it comes.',
  })
  reportTraffic(
    @Arg('input', () => ReportTrafficInput, { description: 'The report.' }) input: ReportTrafficInput,
    @CurrentAgent() { serverId }: AgentCaller,
    @Ctx() context: Context,
  ): Promise<TrafficReceipt> {
    return reportTraffic(context, { serverId, input });
  }
}
