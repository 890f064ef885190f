import { Arg, Ctx, Int, Mutation, Query, Resolver, Root, Subscription } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { BigIntScalar } from '../../../platform/graphql/scalars.ts';
import { AgentOnly, CurrentAgent } from '../../kernel/access.ts';
import { type AgentCaller, agentOf } from '../../kernel/caller.ts';
import { watchExcess } from '../online/excess-devices.ts';
import { reportOnline } from '../online/report-online.ts';
import {
  ExceededDevices,
  OnlineReceipt,
  ReportOnlineInput,
  ServerConfig,
  ServerStatusInput,
  ServerUserDelta,
} from './agent.types.ts';
import { confirmServerUsers } from './confirm-server-users.ts';
import { getServerConfig } from './get-server-config.ts';
import { getServerUsers } from './get-server-users.ts';
import { reportServerStatus } from './report-server-status.ts';
import { watchServerUsers } from './watch-server-users.ts';

const SINCE = 'The `revision` of the last delta that was applied; absent, null or 0 to get the whole list.';

@Resolver()
export class AgentResolver {
  @AgentOnly()
  @Query(() => ServerConfig, {
    nullable: true,
    description: "The configuration of the calling agent's server.",
  })
  serverConfig(@CurrentAgent() { serverId }: AgentCaller, @Ctx() context: Context): Promise<ServerConfig> {
    return getServerConfig(context, { serverId });
  }

  @AgentOnly()
  @Query(() => ServerUserDelta, {
    nullable: true,
    description:
      "A page of changes to the server's list of users since a revision. Query again with the new revision until `hasMore` is false.",
  })
  serverUsers(
    @Arg('since', () => BigIntScalar, { nullable: true, description: SINCE }) since: bigint | null,
    @Arg('first', () => Int, {
      nullable: true,
      description:
        'Page size, 1-10,000; 1,000 if absent. A page is larger only if its entries cannot be split.',
    })
    first: number | null,
    @CurrentAgent() { serverId }: AgentCaller,
    @Ctx() context: Context,
  ): Promise<ServerUserDelta> {
    return getServerUsers(context, { serverId, since: since ?? null, first: first ?? null });
  }

  @AgentOnly()
  @Subscription(() => ServerUserDelta, {
    description:
      "Streams the changes to the server's list of users since a revision, then each further change. Apply the messages in order.",
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
  @Subscription(() => [ExceededDevices], {
    description:
      'Streams the addresses that the server has to disconnect, because a subscription is used from more devices than its limit at all servers together: the whole list (at most 1,000 subscriptions), and again whenever it changes.',
    subscribe: ({ context }: { context: Context }) => watchExcess(context, agentOf(context.caller)),
  })
  devicesExceeded(@Root() exceeded: ExceededDevices[]): ExceededDevices[] {
    return exceeded;
  }

  @AgentOnly()
  @Mutation(() => Boolean, {
    description:
      'Confirms the list that the agent has applied. Returns false, and records nothing, for an older revision or in the middle of a new list.',
  })
  confirmServerUsers(
    @Arg('revision', () => BigIntScalar, {
      description: 'The `revision` of the last delta that was applied.',
    })
    revision: bigint,
    @CurrentAgent() { serverId }: AgentCaller,
    @Ctx() context: Context,
  ): Promise<boolean> {
    return confirmServerUsers(context, { serverId, revision });
  }

  @AgentOnly()
  @Mutation(() => Boolean, {
    description:
      'Replaces the list of subscriptions that are connected to the server; it expires after three minutes. Returns false if it ignored subscriptions or addresses; `reportOnlineUsers` names them.',
  })
  async reportOnline(
    @Arg('input', () => ReportOnlineInput, { description: 'All connected subscriptions.' })
    input: ReportOnlineInput,
    @CurrentAgent() { serverId }: AgentCaller,
    @Ctx() context: Context,
  ): Promise<boolean> {
    const { notices } = await reportOnline(context, { serverId, input });
    return notices.length === 0;
  }

  @AgentOnly()
  @Mutation(() => OnlineReceipt, {
    description:
      'Does the same as `reportOnline`, and names the entries and addresses that it ignored. Lists of more than 5,000 subscriptions are sent in parts.',
  })
  reportOnlineUsers(
    @Arg('input', () => ReportOnlineInput, { description: 'All connected subscriptions, or a part of them.' })
    input: ReportOnlineInput,
    @CurrentAgent() { serverId }: AgentCaller,
    @Ctx() context: Context,
  ): Promise<OnlineReceipt> {
    return reportOnline(context, { serverId, input });
  }

  @AgentOnly()
  @Mutation(() => Boolean, { description: 'Reports the load of the server. Always returns true.' })
  reportServerStatus(
    @Arg('input', () => ServerStatusInput, { description: 'Load, and the version of the agent.' })
    input: ServerStatusInput,
    @CurrentAgent() { serverId }: AgentCaller,
    @Ctx() context: Context,
  ): Promise<boolean> {
    return reportServerStatus(context, { serverId, input });
  }
}
