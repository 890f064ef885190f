import { Ctx, FieldResolver, Int, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { UnitTime } from '../../../generated/prisma/client.ts';
import { Plan } from '../../catalog/plan/plan.types.ts';
import { openCode } from './code-vault.ts';
import type { CodeOfBatch } from './list-redemption-codes.ts';
import { displayCode } from './redemption-code.ts';
import { RedemptionCode } from './redemption-code.types.ts';

@Resolver(() => RedemptionCode)
export class RedemptionCodeResolver {
  @FieldResolver(() => String, {
    description: 'The code in groups of four characters: `XXXX-XXXX-XXXX-XXXX`.',
  })
  code(@Root() code: CodeOfBatch, @Ctx() context: Context): string {
    return displayCode(openCode(context, code));
  }

  @FieldResolver(() => Boolean, {
    description: 'Whether both the code and its batch are enabled. Otherwise it cannot be redeemed.',
  })
  enabled(@Root() { enabled, batch }: CodeOfBatch): boolean {
    return enabled && batch.enabled;
  }

  @FieldResolver(() => Plan, { description: 'The plan that the code grants.' })
  plan(@Root() { batch }: CodeOfBatch): Plan {
    return batch.plan;
  }

  @FieldResolver(() => UnitTime, { description: 'The unit of `quantity`.' })
  unitTime(@Root() { batch }: CodeOfBatch): UnitTime {
    return batch.unitTime;
  }

  @FieldResolver(() => Int, { description: 'The time that the code grants, in units of `unitTime`.' })
  quantity(@Root() { batch }: CodeOfBatch): number {
    return batch.quantity;
  }
}
