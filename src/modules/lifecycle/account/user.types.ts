import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { Role, type User as UserRow } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { OrderBy } from '../../../platform/graphql/order-by.ts';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';
import { USER_SORTS } from './list-users.ts';

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

export const UserConnection = Connection(User, 'User');

export const UserOrderBy = OrderBy('User', USER_SORTS, {
  CREATED_AT_DESC: 'The newest first.',
  CREATED_AT_ASC: 'The oldest first.',
});

@InputType({ description: 'Which accounts; what is left out does not matter. Closed ones are never listed.' })
export class UserFilter {
  @Field(() => String, {
    nullable: true,
    description: 'Whose address is this, or begins like this; upper and lower case are the same.',
  })
  email?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'Those that may be used, or those that may not.' })
  enabled?: boolean | null;

  @Field(() => String, {
    nullable: true,
    description: 'Those with a device whose short code is exactly this.',
  })
  shortCode?: string | null;
}
