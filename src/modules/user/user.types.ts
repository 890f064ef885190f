import { Field, ID, ObjectType, registerEnumType } from 'type-graphql';
import { Role, type User as UserRow } from '../../generated/prisma/client.ts';
import { DateTimeScalar } from '../../platform/graphql/scalars.ts';

registerEnumType(Role, {
  name: 'Role',
  description: 'What an account may do.',
  valuesConfig: {
    USER: { description: 'What is its own.' },
    ADMIN: { description: 'Everything.' },
  },
});

@ObjectType({ description: 'An account.' })
export class User implements Pick<UserRow, 'id' | 'role' | 'enabled' | 'createdAt'> {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => Role, { description: 'What it may do.' })
  role!: Role;

  @Field(() => Boolean, { description: 'Whether it may be used.' })
  enabled!: boolean;

  @Field(() => DateTimeScalar, { description: 'When it was made.' })
  createdAt!: Date;
}
