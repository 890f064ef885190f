import { Field, Int, ObjectType } from 'type-graphql';
import { BigIntScalar, DateTimeScalar } from '../../../platform/graphql/scalars.ts';
import { Device } from '../../identity/device/device.types.ts';
import type { MergeDecision } from '../../subscription/decide-merge.ts';

@ObjectType({
  description:
    'A subscription that would move to the account, as confirming the pending binding would leave it.',
})
export class SubscriptionMove implements Pick<MergeDecision, 'expiresAt' | 'trafficLimit'> {
  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Expiry after the move; null if it would never expire.',
  })
  expiresAt!: Date | null;

  @Field(() => BigIntScalar, {
    nullable: true,
    description: 'Traffic limit after the move, in bytes; null is unlimited.',
  })
  trafficLimit!: bigint | null;
}

@ObjectType({ description: 'A device binding that waits for confirmation.' })
export class PendingBinding {
  @Field(() => Int, {
    nullable: true,
    description: 'Maximum number of devices in the account; null is unlimited.',
  })
  deviceLimit!: number | null;

  @Field(() => [Device], {
    description:
      'The newest 100 devices of the account, newest first. After DEVICE_LIMIT_REACHED, pass one of them as `replaceDeviceId`.',
  })
  devices!: Device[];

  @Field(() => [SubscriptionMove], {
    description:
      'Subscriptions that would move to the account with the device. Empty unless the device is the last way to log in to its current account.',
  })
  moves!: SubscriptionMove[];
}
