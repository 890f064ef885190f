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
      "Reports the traffic of the server's users. Idempotent: a repeated report is not counted again.",
  })
  reportTraffic(
    @Arg('input', () => ReportTrafficInput, { description: 'Traffic since the previous report.' })
    input: ReportTrafficInput,
    @CurrentAgent() { serverId }: AgentCaller,
    @Ctx() context: Context,
  ): Promise<TrafficReceipt> {
    return reportTraffic(context, { serverId, input });
  }
}
