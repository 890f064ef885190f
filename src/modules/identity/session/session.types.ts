import { Field, ID, InputType, ObjectType } from 'type-graphql';
import type { Session as SessionRow } from '../../../generated/prisma/client.ts';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';
import { User } from '../../lifecycle/account/user.types.ts';
import { Device, DeviceLoginInput } from '../device/device.types.ts';
import type { Login } from './tokens.ts';

@ObjectType({ description: 'What a login gives: who you are, and the tokens to show from now on.' })
export class AuthPayload implements Omit<Login, 'user' | 'device'> {
  @Field(() => String, { description: 'For `Authorization: Bearer …`; good for ten minutes.' })
  accessToken!: string;

  @Field(() => DateTimeScalar, { description: 'When the access token ends.' })
  accessTokenExpiresAt!: Date;

  @Field(() => String, {
    description: 'For `refreshSession`; good for thirty days, and changes with each use.',
  })
  refreshToken!: string;

  @Field(() => User, { description: 'The account.' })
  user!: Pick<User, 'id'>;

  @Field(() => Device, {
    nullable: true,
    description: 'The device that logged in; null for an e-mail login.',
  })
  device!: Pick<Device, 'id'> | null;
}

@InputType({ description: 'What an account that has an e-mail address logs in with.' })
export class LoginInput {
  @Field(() => String, { description: 'The e-mail address; case does not matter.' })
  email!: string;

  @Field(() => String, { description: 'The password.' })
  password!: string;

  @Field(() => DeviceLoginInput, {
    nullable: true,
    description: 'The device that asks; it is bound to the account.',
  })
  device?: DeviceLoginInput | null;
}

@InputType({ description: 'A new password.' })
export class ChangePasswordInput {
  @Field(() => String, { description: 'The password of now.' })
  currentPassword!: string;

  @Field(() => String, { description: 'The next one, 8-128 characters.' })
  newPassword!: string;
}

@ObjectType({ description: 'With it another device joins an account, once.' })
export class LinkCode {
  @Field(() => String, { description: 'To be typed on the other device; it is shown this once.' })
  code!: string;

  @Field(() => DateTimeScalar, { description: 'Until when it can be used.' })
  expiresAt!: Date;
}

type SessionFields = Pick<
  SessionRow,
  'id' | 'ip' | 'userAgent' | 'createdAt' | 'lastSeenAt' | 'expiresAt' | 'revokedAt'
>;

@ObjectType({ description: 'One login. It lives on by being refreshed.' })
export class Session implements SessionFields {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => Device, {
    nullable: true,
    description: 'The device that logged in; null for an e-mail login.',
  })
  device!: Pick<Device, 'id'> | null;

  @Field(() => String, { nullable: true, description: 'The address it was started from.' })
  ip!: string | null;

  @Field(() => String, { nullable: true, description: 'The program that started it, in its own words.' })
  userAgent!: string | null;

  @Field(() => DateTimeScalar, { description: 'When it was started.' })
  createdAt!: Date;

  @Field(() => DateTimeScalar, { description: 'When it was last refreshed.' })
  lastSeenAt!: Date;

  @Field(() => DateTimeScalar, { description: 'When it ends unless it is refreshed.' })
  expiresAt!: Date;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it was ended; null while it lives.' })
  revokedAt!: Date | null;
}
