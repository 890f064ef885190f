import { Ctx, FieldResolver, Int, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import {
  type Order as OrderRow,
  type Redemption as RedemptionRow,
  UnitTime,
} from '../../../generated/prisma/client.ts';
import { getPlan } from '../../catalog/plan/get-plan.ts';
import { Plan } from '../../catalog/plan/plan.types.ts';
import { getOrderOf } from '../order/get-order.ts';
import { Order } from '../order/order.types.ts';
import { openCode } from './code-vault.ts';
import type { CodeOfBatch } from './list-redemption-codes.ts';
import { Redemption, RedemptionCode } from './redemption-code.types.ts';
import { displayCode } from './redemption-code.ts';

@Resolver(() => RedemptionCode)
export class RedemptionCodeResolver {
  @FieldResolver(() => String, { description: 'The code, in groups of four.' })
  code(@Root() code: CodeOfBatch, @Ctx() context: Context): string {
    return displayCode(openCode(context, code));
  }

  @FieldResolver(() => Boolean, { description: 'Whether it redeems: it and its batch are switched on.' })
  enabled(@Root() { enabled, batch }: CodeOfBatch): boolean {
    return enabled && batch.enabled;
  }

  @FieldResolver(() => Plan, { description: 'The plan that it grants.' })
  plan(@Root() { batch }: CodeOfBatch): Plan {
    return batch.plan;
  }

  @FieldResolver(() => UnitTime, { description: 'The unit of the time that it grants.' })
  unitTime(@Root() { batch }: CodeOfBatch): UnitTime {
    return batch.unitTime;
  }

  @FieldResolver(() => Int, { description: 'How many units it grants.' })
  quantity(@Root() { batch }: CodeOfBatch): number {
    return batch.quantity;
  }
}

@Resolver(() => Redemption)
export class RedemptionRecordResolver {
  @FieldResolver(() => Order, { description: 'The order that it finished.' })
  order(@Root() { orderId }: RedemptionRow, @Ctx() context: Context): Promise<OrderRow> {
    return getOrderOf(context, orderId);
  }

  @FieldResolver(() => Plan, { description: 'The plan that the code granted.' })
  plan(@Root() { planId }: RedemptionRow, @Ctx() context: Context): Promise<Plan> {
    return getPlan(context, planId);
  }
}
