import { Field, ID, InputType, ObjectType } from 'type-graphql';
import type { AuditEntry as AuditEntryRow } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { DateTimeScalar, JsonScalar } from '../../../platform/graphql/scalars.ts';

@ObjectType({
  description:
    'A change or a rejected attempt. Entries never change, and are deleted only if RETENTION_AUDIT_DAYS is set.',
})
export class AuditEntry implements AuditEntryRow {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => String, { description: 'Name of the action, usually the name of the mutation.' })
  action!: string;

  @Field(() => ID, {
    nullable: true,
    description: 'UUID of the user who acted. Null if the service itself acted.',
  })
  actorId!: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'UUID of the changed entity. Null if there is no single one.',
  })
  targetId!: string | null;

  @Field(() => JsonScalar, {
    nullable: true,
    description:
      'Relevant fields before the change. Null if the action recorded none, such as for a new entity.',
  })
  before!: AuditEntryRow['before'];

  @Field(() => JsonScalar, {
    nullable: true,
    description:
      'Relevant fields after the change. Null if the action recorded none, such as for a deleted entity.',
  })
  after!: AuditEntryRow['after'];

  @Field(() => String, {
    nullable: true,
    description: 'ID of the HTTP request or websocket operation. Null for background work.',
  })
  requestId!: string | null;

  @Field(() => String, { nullable: true, description: 'IP address of the client. Null for background work.' })
  ip!: string | null;

  @Field(() => DateTimeScalar, { description: 'Time of the change, by the database clock.' })
  createdAt!: Date;
}

export const AuditEntryConnection = Connection(AuditEntry, 'AuditEntry');

@InputType({
  description: 'Conditions on audit entries, combined with AND. Absent and null conditions are ignored.',
})
export class AuditFilter {
  @Field(() => ID, { nullable: true, description: 'UUID of the user who acted.' })
  actorId?: string | null;

  @Field(() => ID, { nullable: true, description: 'UUID of the changed entity.' })
  targetId?: string | null;

  @Field(() => String, { nullable: true, description: 'Exact name of the action.' })
  action?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Earliest time, inclusive.' })
  from?: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Latest time, exclusive.' })
  to?: Date | null;
}
