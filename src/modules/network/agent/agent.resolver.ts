import { Arg, Ctx, Int, Mutation, Query, Resolver, Root, Subscription } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { BigIntScalar } from '../../../platform/graphql/scalars.ts';
import { AgentOnly, CurrentAgent } from '../../kernel/access.ts';
import { type AgentCaller, agentOf } from '../../kernel/caller.ts';
import { ReportOnlineInput, ServerConfig, ServerStatusInput, ServerUserDelta } from './agent.types.ts';
import { confirmServerUsers } from './confirm-server-users.ts';
import { getServerConfig } from './get-server-config.ts';
import { getServerUsers } from './get-server-users.ts';
import { reportOnline } from './report-online.ts';
import { reportServerStatus } from './report-server-status.ts';
import { watchServerUsers } from './watch-server-users.ts';

const SINCE = 'The `revision` that came last; absent, null and 0: the whole list.';

@Resolver()
export class AgentResolver {
  @AgentOnly()
  @Query(() => ServerConfig, { nullable: true, description: 'What your server runs.' })
  serverConfig(@CurrentAgent() { serverId }: AgentCaller, @Ctx() context: Context): Promise<ServerConfig> {
    return getServerConfig(context, { serverId });
  }

  @AgentOnly()
  @Query(() => ServerUserDelta, {
    nullable: true,
    description:
      'What has changed in the list of users of your server; to be asked until `hasMore` is false.',
  })
  serverUsers(
    @Arg('since', () => BigIntScalar, { nullable: true, description: SINCE }) since: bigint | null,
    @Arg('first', () => Int, { nullable: true, description: 'How many entries, 1-10,000; absent: 1,000.' })
    first: number | null,
    @CurrentAgent() { serverId }: AgentCaller,
    @Ctx() context: Context,
  ): Promise<ServerUserDelta> {
    return getServerUsers(context, { serverId, since: since ?? null, first: first ?? null });
  }

  @AgentOnly()
  @Subscription(() => ServerUserDelta, {
    description:
      'What has changed in the list of users of your server since then, in as many messages as it takes, then each further change.',
    subscribe: ({ args, context }: { args: { since?: bigint | null }; context: Context }) =>
      watchServerUsers(context, { ...agentOf(context.caller), since: args.since ?? null }),
  })
  serverUsersChanged(
    @Arg('since', () => BigIntScalar, { nullable: true, description: SINCE }) _since: bigint | null,
    @Root() delta: ServerUserDelta,
  ): ServerUserDelta {
    return delta;
  }

  @AgentOnly()
  @Mutation(() => Boolean, {
    description: 'Says what your server has applied; false when it had said so of something later before.',
  })
  confirmServerUsers(
    @Arg('revision', () => BigIntScalar, { description: 'The `revision` of the last delta that is applied.' })
    revision: bigint,
    @CurrentAgent() { serverId }: AgentCaller,
    @Ctx() context: Context,
  ): Promise<boolean> {
    return confirmServerUsers(context, { serverId, revision });
  }

  @AgentOnly()
  @Mutation(() => Boolean, {
    description:
      'Says who is connected to your server, all of them; to be said again within three minutes. False when some are not of your server: those are left out.',
  })
  reportOnline(
    @Arg('input', () => ReportOnlineInput, { description: 'Who is connected.' }) input: ReportOnlineInput,
    @CurrentAgent() { serverId }: AgentCaller,
    @Ctx() context: Context,
  ): Promise<boolean> {
    return reportOnline(context, { serverId, input });
  }

  @AgentOnly()
  @Mutation(() => Boolean, { description: 'Says how the machine of your server is doing.' })
  reportServerStatus(
    @Arg('input', () => ServerStatusInput, { description: 'Its load, and the version of the agent.' })
    input: ServerStatusInput,
    @CurrentAgent() { serverId }: AgentCaller,
    @Ctx() context: Context,
  ): Promise<boolean> {
    return reportServerStatus(context, { serverId, input });
  }
}
