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
  description: 'Where an order is in its life.',
  valuesConfig: {
    PAID: { description: 'Accepted, a use of the code reserved; it will be activated.' },
    FINISHED: { description: 'Activated: the subscription is granted.' },
    CLOSED: { description: 'Cleaned up before it was activated; the code was not used up.' },
    FAILED: { description: 'Refused, `failureCode` says why; the code was not used up.' },
  },
});
registerEnumType(OrderType, {
  name: 'OrderType',
  description: 'What brought an order about.',
  valuesConfig: { REDEMPTION: { description: 'A redeemed code.' } },
});

type OrderFields = Pick<
  OrderRow,
  'id' | 'orderNo' | 'type' | 'status' | 'isNew' | 'unitTime' | 'quantity' | 'createdAt' | 'finishedAt'
>;

@ObjectType({ description: 'The life of one grant.' })
export class Order implements OrderFields {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => String, { description: 'A number for people to tell each other.' })
  orderNo!: string;

  @Field(() => OrderType, { description: 'What brought it about.' })
  type!: OrderType;

  @Field(() => OrderStatus, { description: 'Where it is in its life.' })
  status!: OrderStatus;

  @Field(() => ErrorCode, { nullable: true, description: 'Why it is FAILED; null otherwise.' })
  failureCode!: ErrorCodeName | null;

  @Field(() => Boolean, {
    description: "Whether it is the user's first order that counts (PAID or FINISHED).",
  })
  isNew!: boolean;

  @Field(() => UnitTime, { description: 'The unit of the time that it grants.' })
  unitTime!: UnitTime;

  @Field(() => Int, { description: 'How many units it grants.' })
  quantity!: number;

  @Field(() => DateTimeScalar, { description: 'When it was accepted.' })
  createdAt!: Date;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it came to its end; null while PAID.' })
  finishedAt!: Date | null;
}

export const OrderConnection = Connection(Order, 'Order');

export const OrderOrderBy = OrderBy('Order', ORDER_SORTS, {
  CREATED_AT_DESC: 'What was accepted last comes first.',
  CREATED_AT_ASC: 'What was accepted longest ago comes first.',
  FINISHED_AT_DESC: 'What ended last comes first; what is still PAID comes last.',
  FINISHED_AT_ASC: 'What ended longest ago comes first; what is still PAID comes last.',
});

@InputType({ description: 'Which orders; what is left out does not matter. CLOSED ones must be asked for.' })
export class OrderFilter {
  @Field(() => ID, { nullable: true, description: 'Whose they are.' })
  userId?: string | null;

  @Field(() => OrderStatus, { nullable: true, description: 'Where they are in their life.' })
  status?: OrderStatus | null;

  @Field(() => ErrorCode, { nullable: true, description: 'Why they have failed.' })
  failureCode?: ErrorCodeName | null;

  @Field(() => String, { nullable: true, description: 'The one with this number.' })
  orderNo?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Accepted not before this time.' })
  from?: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Accepted before this time.' })
  to?: Date | null;
}

@ObjectType({ description: 'On how many of its servers an activation has arrived.' })
export class Propagation {
  @Field(() => Int, { description: 'How many servers have a node of the plan at this moment.' })
  servers!: number;

  @Field(() => Int, { description: 'On how many of them the agent has confirmed a list with it.' })
  confirmed!: number;
}
