import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { Role, type User as UserRow } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { OrderBy } from '../../../platform/graphql/order-by.ts';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';
import { USER_SORTS } from './list-users.ts';

registerEnumType(Role, {
  name: 'Role',
  description: 'The permissions of an account.',
  valuesConfig: {
    USER: { description: 'Access to its own data only.' },
    ADMIN: { description: 'Access to the data of all accounts and to the configuration of the service.' },
  },
});

@ObjectType({ description: 'An account: an admin, or a customer with subscriptions and devices.' })
export class User implements Pick<UserRow, 'id' | 'role' | 'enabled' | 'createdAt'> {
  @Field(() => ID, { description: 'UUIDv7.' })
  id!: string;

  @Field(() => Role, {
    description:
      'The permissions of the account. For your own account, those of your session: sessions of devices are always USER.',
  })
  role!: Role;

  @Field(() => Boolean, { description: 'Whether the account may log in and its subscriptions grant access.' })
  enabled!: boolean;

  @Field(() => DateTimeScalar, { description: 'When the account was created.' })
  createdAt!: Date;
}

export const UserConnection = Connection(User, 'User');

export const UserOrderBy = OrderBy('User', USER_SORTS, {
  CREATED_AT_DESC: 'Newest first.',
  CREATED_AT_ASC: 'Oldest first.',
});

@InputType({
  description:
    'Conditions on accounts, combined with AND. Absent and null conditions are ignored. Closed accounts are never listed.',
})
export class UserFilter {
  @Field(() => String, {
    nullable: true,
    description: 'Prefix of the e-mail address, case-insensitive.',
  })
  email?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether the account is enabled.' })
  enabled?: boolean | null;

  @Field(() => String, {
    nullable: true,
    description: 'Exact short code of one of the devices.',
  })
  shortCode?: string | null;
}
