import type { GraphQLResolveInfo } from 'graphql';
import { Args, Ctx, FieldResolver, Info, Mutation, Query, Resolver, Root, Subscription } from 'type-graphql';
import type { Context } from '../../../context.ts';
import {
  type Order as OrderRow,
  type Redemption as RedemptionRow,
  Role,
} from '../../../generated/prisma/client.ts';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import { selectionOf } from '../../../platform/graphql/selection.ts';
import type { Page, PageArguments } from '../../../platform/pagination/page.ts';
import { type Device, DeviceConnection } from '../../identity/device/device.types.ts';
import { listDevices } from '../../identity/device/list-devices.ts';
import { listSessions } from '../../identity/session/list-sessions.ts';
import { type Session, SessionConnection } from '../../identity/session/session.types.ts';
import { Cacheable, CurrentUser, Public, SignedIn } from '../../kernel/access.ts';
import { type UserCaller, userOf } from '../../kernel/caller.ts';
import { listRedemptions } from '../../redemption/order/list-redemptions.ts';
import { listUserOrders } from '../../redemption/order/list-user-orders.ts';
import { OrderConnection } from '../../redemption/order/order.types.ts';
import { RedemptionConnection } from '../../redemption/order/redemption-record.types.ts';
import { listSubscriptions } from '../../subscription/list-subscriptions.ts';
import { UserSubscription } from '../../subscription/subscription.types.ts';
import { deleteAccount } from './delete-account.ts';
import { getEmail } from './get-user.ts';
import { getViewer } from './get-viewer.ts';
import { type AccountSelection, type AccountSnapshot, pageKey } from './read-account.ts';
import { User } from './user.types.ts';
import { watchViewer } from './watch-viewer.ts';

/** The parts of the account to read in the same snapshot, from the fields of the query. */
function accountSelectionOf(info: GraphQLResolveInfo): AccountSelection {
  const fields = selectionOf(info);
  const subscriptions = fields.filter(({ name }) => name === 'subscriptions');
  const devices = fields.filter(({ name }) => name === 'devices');
  return {
    subscriptions: subscriptions.length > 0,
    nodes: subscriptions.some((field) => field.fields().some(({ name }) => name === 'nodes')),
    devices: devices.map(({ args }): PageArguments => args),
    deviceCount: devices.some((field) => field.fields().some(({ name }) => name === 'totalCount')),
  };
}

@Resolver(() => User)
export class UserResolver {
  @Public()
  @Cacheable()
  @Query(() => User, {
    nullable: true,
    description: 'Your account; null if the request has no token.',
  })
  viewer(@Ctx() context: Context, @Info() info: GraphQLResolveInfo): Promise<User | null> {
    return getViewer(context, { caller: context.caller, selection: accountSelectionOf(info) });
  }

  @SignedIn()
  @Mutation(() => User, {
    description:
      'Closes your account: revokes all sessions, stops live subscriptions and fails PAID orders. Your e-mail address and your devices, except disabled ones, can be used for another account.',
  })
  deleteAccount(@CurrentUser() { userId }: UserCaller, @Ctx() context: Context): Promise<User> {
    return deleteAccount(context, { userId });
  }

  @SignedIn()
  @Subscription(() => User, {
    description:
      'Your account, sent again whenever it, its subscriptions, their nodes or its devices change.',
    subscribe: ({ context, info }: { context: Context; info: GraphQLResolveInfo }) =>
      watchViewer(context, { userId: userOf(context.caller).userId, selection: accountSelectionOf(info) }),
  })
  viewerChanged(@Root() user: User): User {
    return user;
  }

  @FieldResolver(() => Role)
  role(@Root() user: User, @Ctx() { caller }: Context): Role {
    return caller.kind === 'user' && caller.userId === user.id ? caller.role : user.role;
  }

  @FieldResolver(() => String, {
    nullable: true,
    description: 'E-mail address for password logins; null if the account has none.',
  })
  email(@Root() user: User, @Ctx() context: Context): string | null | Promise<string | null> {
    return getEmail(context, user);
  }

  @FieldResolver(() => [UserSubscription], {
    description: 'All subscriptions of the account, expired and stopped ones included; newest first.',
  })
  subscriptions(
    @Root() { id, subscriptions }: AccountSnapshot,
    @Ctx() context: Context,
  ): UserSubscription[] | Promise<UserSubscription[]> {
    return subscriptions ?? listSubscriptions(context, { userId: id });
  }

  @FieldResolver(() => DeviceConnection, { description: 'Devices bound to the account, newest first.' })
  devices(
    @Root() { id, devicePages }: AccountSnapshot,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Page<Device> | Promise<Page<Device>> {
    return devicePages?.get(pageKey(page)) ?? listDevices(context, { filter: { userId: id }, page });
  }

  @FieldResolver(() => OrderConnection, {
    description: 'Orders of the account that are not closed, newest first.',
  })
  orders(
    @Root() { id }: User,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<OrderRow>> {
    return listUserOrders(context, { userId: id, page });
  }

  @FieldResolver(() => RedemptionConnection, {
    description: 'Completed redemptions of the account, newest first.',
  })
  redemptions(
    @Root() { id }: User,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<RedemptionRow>> {
    return listRedemptions(context, { filter: { userId: id }, page });
  }

  @FieldResolver(() => SessionConnection, {
    description: 'Sessions that are neither expired nor revoked, newest first.',
  })
  sessions(
    @Root() { id }: User,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<Session>> {
    return listSessions(context, { userId: id, page });
  }
}
