import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { ErrorCode, type ErrorCodeName } from '../../../error-codes.ts';
import {
  type Order as OrderRow,
  OrderStatus,
  OrderType,
  UnitTime,
} from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { OrderBy } from '../../../platform/graphql/order-by.ts';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';
import { ORDER_SORTS } from './list-orders.ts';

registerEnumType(OrderStatus, {
  name: 'OrderStatus',
  description:
    'The state of an order. All but PAID are final, except that an admin can retry a FAILED order.',
  valuesConfig: {
    PAID: { description: 'Accepted: a use of the code is reserved, and the order waits for its activation.' },
    FINISHED: { description: 'Activated: the subscription was started or extended.' },
    CLOSED: { description: 'Closed because it could not be queued. Its reserved use was released.' },
    FAILED: { description: 'Not activated, for the reason in `failureCode`. Its reserved use was released.' },
  },
});
registerEnumType(OrderType, {
  name: 'OrderType',
  description: 'How an order was created.',
  valuesConfig: { REDEMPTION: { description: 'A user redeemed a code.' } },
});

type OrderFields = Pick<
  OrderRow,
  'id' | 'orderNo' | 'type' | 'status' | 'isNew' | 'unitTime' | 'quantity' | 'createdAt' | 'finishedAt'
>;

@ObjectType({
  description: 'An order for time on a plan, from its acceptance to the subscription that it grants.',
})
export class Order implements OrderFields {
  @Field(() => ID, { description: 'UUID of the order.' })
  id!: string;

  @Field(() => String, { description: 'A unique number for support requests: T and 15 characters.' })
  orderNo!: string;

  @Field(() => OrderType, { description: 'How the order was created.' })
  type!: OrderType;

  @Field(() => OrderStatus, { description: 'PAID until the order is activated, closed or failed.' })
  status!: OrderStatus;

  @Field(() => ErrorCode, {
    nullable: true,
    description: 'Why the order is FAILED; null in any other status.',
  })
  failureCode!: ErrorCodeName | null;

  @Field(() => Boolean, {
    description: 'Whether it is the first PAID or FINISHED order of its account.',
  })
  isNew!: boolean;

  @Field(() => UnitTime, { description: 'The unit of `quantity`.' })
  unitTime!: UnitTime;

  @Field(() => Int, { description: 'The time that the order grants, in units of `unitTime`.' })
  quantity!: number;

  @Field(() => DateTimeScalar, { description: 'When the order was accepted.' })
  createdAt!: Date;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the order left status PAID; null while PAID.',
  })
  finishedAt!: Date | null;
}

export const OrderConnection = Connection(Order, 'Order');

export const OrderOrderBy = OrderBy('Order', ORDER_SORTS, {
  CREATED_AT_DESC: 'Newest first.',
  CREATED_AT_ASC: 'Oldest first.',
  FINISHED_AT_DESC: 'Most recently finished first; PAID orders last.',
  FINISHED_AT_ASC: 'Least recently finished first; PAID orders last.',
});

@InputType({
  description:
    'Conditions on orders, combined with AND. Absent and null conditions are ignored. CLOSED orders are left out unless `status` is CLOSED.',
})
export class OrderFilter {
  @Field(() => ID, { nullable: true, description: 'Only orders of this account.' })
  userId?: string | null;

  @Field(() => OrderStatus, { nullable: true, description: 'Only orders in this status.' })
  status?: OrderStatus | null;

  @Field(() => ErrorCode, { nullable: true, description: 'Only FAILED orders with this reason.' })
  failureCode?: ErrorCodeName | null;

  @Field(() => String, {
    nullable: true,
    description: 'Only the order with this number; case and surrounding spaces are ignored.',
  })
  orderNo?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Accepted at or after this time.' })
  from?: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Accepted before this time.' })
  to?: Date | null;
}

@ObjectType({ description: 'How far an activation has reached the servers of its plan.' })
export class Propagation {
  @Field(() => Int, { description: 'Number of servers that currently have a node of the plan.' })
  servers!: number;

  @Field(() => Int, {
    description:
      'Number of those servers whose agent has confirmed a user list that contains the activation.',
  })
  confirmed!: number;
}
