import { Field, ID, InputType, ObjectType } from 'type-graphql';
import type { AuditEntry as AuditEntryRow } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { DateTimeScalar, JsonScalar } from '../../../platform/graphql/scalars.ts';

@ObjectType({
  description: 'Something that was changed, or refused, and by whom. Entries are never altered.',
})
export class AuditEntry implements AuditEntryRow {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => String, { description: 'What was done: mostly the name of the mutation.' })
  action!: string;

  @Field(() => ID, { nullable: true, description: 'The account that did it; null for the service itself.' })
  actorId!: string | null;

  @Field(() => ID, { nullable: true, description: 'What it was done to.' })
  targetId!: string | null;

  @Field(() => JsonScalar, { nullable: true, description: 'As it was before.' })
  before!: AuditEntryRow['before'];

  @Field(() => JsonScalar, { nullable: true, description: 'As it was afterwards.' })
  after!: AuditEntryRow['after'];

  @Field(() => String, { nullable: true, description: 'The id of the request that did it.' })
  requestId!: string | null;

  @Field(() => String, { nullable: true, description: 'The address it came from.' })
  ip!: string | null;

  @Field(() => DateTimeScalar, { description: 'When it was done.' })
  createdAt!: Date;
}

export const AuditEntryConnection = Connection(AuditEntry, 'AuditEntry');

@InputType({ description: 'Which entries of the audit log; what is left out does not matter.' })
export class AuditFilter {
  @Field(() => ID, { nullable: true, description: 'Who did it.' })
  actorId?: string | null;

  @Field(() => ID, { nullable: true, description: 'What it was done to.' })
  targetId?: string | null;

  @Field(() => String, { nullable: true, description: 'What was done.' })
  action?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Not before this time.' })
  from?: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Before this time.' })
  to?: Date | null;
}
