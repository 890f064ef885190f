import { Field, ID, ObjectType } from 'type-graphql';
import type { Session as SessionRow } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';
import { User } from '../../lifecycle/account/user.types.ts';
import { Device } from '../device/device.types.ts';
import type { Login } from './issue-tokens.ts';

@ObjectType({ description: 'The result of a login or a refresh: the account and the tokens of the session.' })
export class AuthPayload implements Omit<Login, 'user' | 'device'> {
  @Field(() => String, { description: 'For the `Authorization: Bearer` header; valid for ten minutes.' })
  accessToken!: string;

  @Field(() => DateTimeScalar, { description: 'When the access token expires.' })
  accessTokenExpiresAt!: Date;

  @Field(() => String, {
    description: 'For `refreshSession`; valid for thirty days and replaced at each use.',
  })
  refreshToken!: string;

  @Field(() => User, { description: 'The account that logged in.' })
  user!: Pick<User, 'id'>;

  @Field(() => Device, {
    nullable: true,
    description: 'The device that logged in; null for an e-mail login without a device.',
  })
  device!: Pick<Device, 'id'> | null;
}

type SessionFields = Pick<
  SessionRow,
  'id' | 'ip' | 'userAgent' | 'createdAt' | 'lastSeenAt' | 'expiresAt' | 'revokedAt'
>;

@ObjectType({ description: 'A session starts with a login and expires thirty days after its last refresh.' })
export class Session implements SessionFields {
  @Field(() => ID, { description: 'UUIDv7.' })
  id!: string;

  @Field(() => Device, {
    nullable: true,
    description: 'The device that logged in; null for an e-mail login without a device.',
  })
  device!: Pick<Device, 'id'> | null;

  @Field(() => String, { nullable: true, description: 'Client address of the login; null if it is unknown.' })
  ip!: string | null;

  @Field(() => String, {
    nullable: true,
    description: '`User-Agent` header of the login; null if there was none.',
  })
  userAgent!: string | null;

  @Field(() => DateTimeScalar, { description: 'When the session started.' })
  createdAt!: Date;

  @Field(() => DateTimeScalar, {
    description: 'When the session was last refreshed; the time of the login before that.',
  })
  lastSeenAt!: Date;

  @Field(() => DateTimeScalar, { description: 'When the session expires unless it is refreshed.' })
  expiresAt!: Date;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the session was revoked; null if it was not.',
  })
  revokedAt!: Date | null;
}

export const SessionConnection = Connection(Session, 'Session');
