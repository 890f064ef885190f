import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { InvalidAs } from '../../../platform/graphql/invalid-values.ts';
import { BigIntScalar } from '../../../platform/graphql/scalars.ts';
import type { TrafficReportResult } from './report-traffic.ts';
import { MALFORMED_BYTES, type RefusedEntry, TrafficRefusalReason } from './traffic-entries.ts';

registerEnumType(TrafficRefusalReason, {
  name: 'TrafficRefusalReason',
  description: 'Reason why an entry of a traffic report was not counted.',
  valuesConfig: {
    FOREIGN: {
      description:
        'The node is not on this server, or the plan of the subscription does not contain the node.',
    },
    MALFORMED: {
      description: 'The bytes of the entry are not whole numbers, or do not fit in 64 bits.',
    },
    NEGATIVE: { description: 'The entry has a negative number of bytes.' },
    OVERFLOW: { description: 'The counters of the subscription would exceed 64 bits.' },
  },
});

@InputType({ description: 'Traffic of one subscription at one node since the previous report.' })
export class TrafficEntryInput {
  @Field(() => ID, { description: 'Id of a node of this server.' })
  nodeId!: string;

  @Field(() => ID, { description: 'Id of the subscription.' })
  subscriptionId!: string;

  @Field(() => BigIntScalar, {
    description: 'Bytes that the user sent, before the ratio of the node is applied.',
  })
  @InvalidAs(() => MALFORMED_BYTES)
  upload!: bigint;

  @Field(() => BigIntScalar, {
    description: 'Bytes that the user received, before the ratio of the node is applied.',
  })
  @InvalidAs(() => MALFORMED_BYTES)
  download!: bigint;
}

@InputType({ description: 'Traffic of a server. Retry it unchanged until you get a response.' })
export class ReportTrafficInput {
  @Field(() => ID, { description: 'UUID of this run of the agent. Generate a new one at each start.' })
  bootId!: string;

  @Field(() => BigIntScalar, {
    description:
      'Number of the report within this run, not negative. Each number is counted once, in any order.',
  })
  sequence!: bigint;

  @Field(() => [TrafficEntryInput], {
    description: 'At most 5,000 entries. Entries with the same node and subscription are added up.',
  })
  entries!: TrafficEntryInput[];
}

@ObjectType({ description: 'An entry of a traffic report that was not counted.' })
export class TrafficRefusal implements RefusedEntry {
  @Field(() => Int, { description: 'Zero-based index of the entry in the report.' })
  index!: number;

  @Field(() => ID, { description: 'Id of the node, as it was sent.' })
  nodeId!: string;

  @Field(() => ID, { description: 'Id of the subscription, as it was sent.' })
  subscriptionId!: string;

  @Field(() => TrafficRefusalReason, { description: 'Reason for the refusal.' })
  reason!: TrafficRefusalReason;
}

@ObjectType({ description: 'Result of a traffic report.' })
export class TrafficReceipt implements TrafficReportResult {
  @Field(() => Boolean, {
    description: 'True if the report was counted now; false if it was counted before.',
  })
  applied!: boolean;

  @Field(() => [ID], {
    description: 'Distinct ids of subscriptions with a refused entry. All other entries were counted.',
  })
  refused!: string[];

  @Field(() => [TrafficRefusal], { description: 'The refused entries.' })
  refusals!: TrafficRefusal[];
}
