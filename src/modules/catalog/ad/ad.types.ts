import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { Ad as AdRow } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';

@ObjectType({ description: 'An advertisement that apps show.' })
export class Ad implements AdRow {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => String, { description: 'Where or how apps show it: a word that they agree upon.' })
  type!: string;

  @Field(() => String, { description: 'Its headline.' })
  title!: string;

  @Field(() => String, { description: 'What it is about, in a sentence or two.' })
  description!: string;

  @Field(() => String, { description: 'What is shown: a text, or the address of a picture.' })
  content!: string;

  @Field(() => String, { nullable: true, description: 'Where it leads: http or https; null is nowhere.' })
  targetUrl!: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'From when it is shown; null is always.' })
  startAt!: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Until when it is shown; null is for ever.' })
  endAt!: Date | null;

  @Field(() => Boolean, { description: 'Whether it is shown at all.' })
  enabled!: boolean;

  @Field(() => Int, { description: 'Goes up with each change; send it back to notice changes by others.' })
  version!: number;

  @Field(() => DateTimeScalar, { description: 'When it was made.' })
  createdAt!: Date;
}

export const AdConnection = Connection(Ad, 'Ad');

@InputType({ description: 'A new advertisement.' })
export class CreateAdInput {
  @Field(() => String, { description: 'Where or how apps show it, 1-50 characters.' })
  type!: string;

  @Field(() => String, { description: 'Its headline, 1-200 characters.' })
  title!: string;

  @Field(() => String, { description: 'What it is about, up to 1000 characters.' })
  description!: string;

  @Field(() => String, { description: 'What is shown, 1-16384 characters.' })
  content!: string;

  @Field(() => String, { nullable: true, description: 'Where it leads: http or https.' })
  targetUrl?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'From when it is shown; absent: at once.' })
  startAt?: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Until when it is shown; absent: for ever.' })
  endAt?: Date | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether it is shown at all; absent: yes.' })
  enabled?: boolean | null;
}

@InputType({
  description: 'What changes of an advertisement: what is absent stays, null clears what can be empty.',
})
export class UpdateAdInput {
  @Field(() => Int, {
    nullable: true,
    description:
      'The version you have read: EDIT_CONFLICT when it is another by now. Absent: the last one wins.',
  })
  version?: number | null;

  @Field(() => String, { nullable: true, description: 'Where or how apps show it, 1-50 characters.' })
  type?: string | null;

  @Field(() => String, { nullable: true, description: 'Its headline, 1-200 characters.' })
  title?: string | null;

  @Field(() => String, { nullable: true, description: 'What it is about, up to 1000 characters.' })
  description?: string | null;

  @Field(() => String, { nullable: true, description: 'What is shown, 1-16384 characters.' })
  content?: string | null;

  @Field(() => String, { nullable: true, description: 'Where it leads: http or https; null: nowhere.' })
  targetUrl?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'From when it is shown; null: always.' })
  startAt?: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Until when it is shown; null: for ever.' })
  endAt?: Date | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether it is shown at all.' })
  enabled?: boolean | null;
}
