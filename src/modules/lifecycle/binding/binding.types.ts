import { Field, Int, ObjectType } from 'type-graphql';
import { BigIntScalar, DateTimeScalar } from '../../../platform/graphql/scalars.ts';
import { Device } from '../../identity/device/device.types.ts';
import type { MergeDecision } from '../../subscription/decide-merge.ts';

@ObjectType({ description: 'A subscription that would move to the account, and what it would become.' })
export class SubscriptionMove implements Pick<MergeDecision, 'expiresAt' | 'trafficLimit'> {
  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When it would end afterwards; null is never.',
  })
  expiresAt!: Date | null;

  @Field(() => BigIntScalar, {
    nullable: true,
    description: 'Bytes it would have afterwards; null is unlimited.',
  })
  trafficLimit!: bigint | null;
}

@ObjectType({ description: 'What a binding that waits for a decision is about.' })
export class PendingBinding {
  @Field(() => Int, {
    nullable: true,
    description: 'How many devices the account may have; null is unlimited.',
  })
  deviceLimit!: number | null;

  @Field(() => [Device], { description: 'The devices of the account; one of them may be replaced.' })
  devices!: Device[];

  @Field(() => [SubscriptionMove], { description: 'What would move over with the device.' })
  moves!: SubscriptionMove[];
}
