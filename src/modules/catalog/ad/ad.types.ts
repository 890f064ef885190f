import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { Ad as AdRow } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';

@ObjectType({ description: 'An advertisement that apps show.' })
export class Ad implements AdRow {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => String, {
    description: 'Where or how apps show it, for example `banner`. The apps define the values.',
  })
  type!: string;

  @Field(() => String, { description: 'Headline.' })
  title!: string;

  @Field(() => String, { description: 'Summary in a sentence or two. May be empty.' })
  description!: string;

  @Field(() => String, { description: 'Text, or the URL of an image.' })
  content!: string;

  @Field(() => String, {
    nullable: true,
    description: 'URL that it links to, http or https. Null if it has no link.',
  })
  targetUrl!: string | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Shown from this time on. Null if it has no start.',
  })
  startAt!: Date | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Shown until this time, exclusive. Null if it never ends.',
  })
  endAt!: Date | null;

  @Field(() => Boolean, { description: 'If false, it is not shown at any time.' })
  enabled!: boolean;

  @Field(() => Int, {
    description: 'Increases with each change. Pass it to the next update to detect concurrent edits.',
  })
  version!: number;

  @Field(() => DateTimeScalar, { description: 'When it was created.' })
  createdAt!: Date;
}

export const AdConnection = Connection(Ad, 'Ad');

@InputType({ description: 'Fields of a new advertisement.' })
export class CreateAdInput {
  @Field(() => String, { description: 'Where or how apps show it, 1-50 characters.' })
  type!: string;

  @Field(() => String, { description: 'Headline, 1-200 characters.' })
  title!: string;

  @Field(() => String, { description: 'Summary, up to 1000 characters. May be empty.' })
  description!: string;

  @Field(() => String, { description: 'Text, or the URL of an image, 1-16384 characters.' })
  content!: string;

  @Field(() => String, {
    nullable: true,
    description: 'URL that it links to, http or https. If absent, it has no link.',
  })
  targetUrl?: string | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Shown from this time on. If absent, it is shown immediately.',
  })
  startAt?: Date | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Shown until this time, exclusive. If absent, it never ends.',
  })
  endAt?: Date | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'If false, it is not shown at any time. Defaults to true.',
  })
  enabled?: boolean | null;
}

@InputType({
  description: 'Changes to an advertisement. Absent fields keep their value; null clears optional ones.',
})
export class UpdateAdInput {
  @Field(() => Int, {
    nullable: true,
    description:
      'The version that was read. Fails with EDIT_CONFLICT if it has changed since. If absent, the last write wins.',
  })
  version?: number | null;

  @Field(() => String, { nullable: true, description: 'Where or how apps show it, 1-50 characters.' })
  type?: string | null;

  @Field(() => String, { nullable: true, description: 'Headline, 1-200 characters.' })
  title?: string | null;

  @Field(() => String, { nullable: true, description: 'Summary, up to 1000 characters. May be empty.' })
  description?: string | null;

  @Field(() => String, { nullable: true, description: 'Text, or the URL of an image, 1-16384 characters.' })
  content?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'URL that it links to, http or https. Null removes the link.',
  })
  targetUrl?: string | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Shown from this time on. Null removes the start.',
  })
  startAt?: Date | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Shown until this time, exclusive. Null removes the end.',
  })
  endAt?: Date | null;

  @Field(() => Boolean, { nullable: true, description: 'If false, it is not shown at any time.' })
  enabled?: boolean | null;
}
