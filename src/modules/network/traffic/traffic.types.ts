import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { BigIntScalar } from '../../../platform/graphql/scalars.ts';
import type { TrafficReportResult as Receipt } from './report-traffic.ts';
import { type RefusedEntry as Refusal, TrafficRefusalReason } from './traffic-entries.ts';

registerEnumType(TrafficRefusalReason, {
  name: 'TrafficRefusalReason',
  description: 'Why an entry of a traffic report does not count.',
  valuesConfig: {
    FOREIGN: {
      description:
        'The node is not one of this server, or the subscription is of no plan that has this node.',
    },
    NEGATIVE: { description: 'Traffic never runs backwards.' },
    OVERFLOW: { description: 'The counters of the subscription would not fit into 64 bits.' },
  },
});

@InputType({ description: 'What one user has sent and received at one node since the last report.' })
export class TrafficEntryInput {
  @Field(() => ID, { description: 'A node of the server.' })
  nodeId!: string;

  @Field(() => ID, { description: 'Whose traffic it is.' })
  subscriptionId!: string;

  @Field(() => BigIntScalar, { description: 'Bytes that the user has sent, before the ratio of the node.' })
  upload!: bigint;

  @Field(() => BigIntScalar, {
    description: 'Bytes that the user has received, before the ratio of the node.',
  })
  download!: bigint;
}

@InputType({ description: 'Traffic of a server. Send it again, unchanged, until it is answered.' })
export class ReportTrafficInput {
  @Field(() => ID, { description: 'UUID of this run of the agent, a new one at each start.' })
  bootId!: string;

  @Field(() => BigIntScalar, {
    description: 'The number of the report in this run, not negative; each counts once, in any order.',
  })
  sequence!: bigint;

  @Field(() => [TrafficEntryInput], { description: 'At most 5000; several of one user and node add up.' })
  entries!: TrafficEntryInput[];
}

@ObjectType({ description: 'An entry of a traffic report that does not count.' })
export class TrafficRefusal implements Refusal {
  @Field(() => Int, { description: 'Its place in the report, from 0.' })
  index!: number;

  @Field(() => ID, { description: 'The node, as it was sent.' })
  nodeId!: string;

  @Field(() => ID, { description: 'The subscription, as it was sent.' })
  subscriptionId!: string;

  @Field(() => TrafficRefusalReason, { description: 'Why it does not count.' })
  reason!: TrafficRefusalReason;
}

@ObjectType({ description: 'What became of a traffic report.' })
export class TrafficReceipt implements Receipt {
  @Field(() => Boolean, {
    description: 'Whether it was new; false for one that was applied before, and not counted again.',
  })
  applied!: boolean;

  @Field(() => [ID], {
    description: 'Ids of subscriptions with an entry that does not count; everything else does.',
  })
  refused!: string[];

  @Field(() => [TrafficRefusal], { description: 'The entries that do not count, and why.' })
  refusals!: TrafficRefusal[];
}
