import { Field, ObjectType } from 'type-graphql';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';

@ObjectType({ description: 'A single-use code that lets another device log in to an account.' })
export class LinkCode {
  @Field(() => String, {
    description:
      'To be entered on the other device: four groups of four characters, separated by hyphens. Returned only once.',
  })
  code!: string;

  @Field(() => DateTimeScalar, { description: 'When the code expires.' })
  expiresAt!: Date;
}
