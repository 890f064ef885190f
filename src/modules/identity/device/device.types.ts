import { Field, ID, InputType, ObjectType } from 'type-graphql';
import type { Device as DeviceRow } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { OrderBy } from '../../../platform/graphql/order-by.ts';
import { DateTimeScalar, JsonScalar } from '../../../platform/graphql/scalars.ts';
import { DEVICE_SORTS } from './list-devices.ts';

type DeviceFields = Omit<DeviceRow, 'userId' | 'identityId' | 'secretHash' | 'publicKey' | 'keyThumbprint'>;

@ObjectType({ description: 'One installation of an app.' })
export class Device implements DeviceFields {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => String, { nullable: true, description: 'The label that the app gave it at registration.' })
  shortCode!: string | null;

  @Field(() => String, { nullable: true, description: 'What its owner calls it.' })
  name!: string | null;

  @Field(() => String, { nullable: true, description: 'The system it runs, in the words of the app.' })
  platform!: string | null;

  @Field(() => String, { nullable: true, description: 'The version of the app at the last login.' })
  appVersion!: string | null;

  @Field(() => String, { nullable: true, description: 'The address of the last login.' })
  ip!: string | null;

  @Field(() => String, { nullable: true, description: 'The program of the last login, in its own words.' })
  userAgent!: string | null;

  @Field(() => Boolean, { description: 'Whether it may log in.' })
  enabled!: boolean;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it last logged in.' })
  lastSeenAt!: Date | null;

  @Field(() => DateTimeScalar, { description: 'When it was registered.' })
  createdAt!: Date;
}

export const DeviceConnection = Connection(Device, 'Device');

export const DeviceOrderBy = OrderBy('Device', DEVICE_SORTS, {
  CREATED_AT_DESC: 'The newest first.',
  CREATED_AT_ASC: 'The oldest first.',
  LAST_SEEN_AT_DESC: 'What logged in last comes first; what never did comes last.',
  LAST_SEEN_AT_ASC: 'What logged in longest ago comes first; what never did comes last.',
});

@ObjectType({ description: 'What a device signs to log in with its key.' })
export class DeviceChallenge {
  @Field(() => String, { description: 'To be put into the proof; good once.' })
  nonce!: string;

  @Field(() => DateTimeScalar, { description: 'When the nonce ends: a minute from now.' })
  expiresAt!: Date;
}

@InputType({
  description:
    'How a device logs in. Before its first login the app makes either a secret or a key pair, and keeps it.',
})
export class DeviceLoginInput {
  @Field(() => String, {
    description:
      'What the app calls this installation: stable, 8-128 printable characters. A name, not a secret.',
  })
  identifier!: string;

  @Field(() => String, { nullable: true, description: '43 or more base64url characters (256 random bits).' })
  secret?: string | null;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'Instead of a secret: the public key as a JWK (P-256 or Ed25519).',
  })
  publicKey?: unknown;

  @Field(() => String, {
    nullable: true,
    description:
      'With publicKey: a compact JWS with header `{alg: ES256 | EdDSA, typ: "device-proof+jwt"}` and claims `nonce` (from deviceChallenge), `sub` (the identifier), `aud` ("deviceLogin"), `iat`.',
  })
  proof?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'A label, 1-32 characters, saved at registration only.',
  })
  shortCode?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'What to call the device, saved at registration only.',
  })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'The system it runs.' })
  platform?: string | null;

  @Field(() => String, { nullable: true, description: 'The version of the app.' })
  appVersion?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'A code of createLinkCode: the device joins that account, and may replace a secret or key that it has lost. For deviceLogin alone.',
  })
  linkCode?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'What came with DEVICE_BOUND_ELSEWHERE or DEVICE_LIMIT_REACHED: the answer is yes.',
  })
  confirmationToken?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'With the confirmationToken of DEVICE_LIMIT_REACHED: the device of the account that makes room.',
  })
  replaceDeviceId?: string | null;
}

@InputType({ description: 'What changes of a device; what is absent stays.' })
export class UpdateDeviceInput {
  @Field(() => String, {
    nullable: true,
    description: 'What to call it, 1-100 characters; null takes its name away.',
  })
  name?: string | null;
}

@InputType({ description: 'Which devices; what is left out does not matter.' })
export class DeviceFilter {
  @Field(() => String, { nullable: true, description: 'Whose short code is exactly this.' })
  shortCode?: string | null;

  @Field(() => String, { nullable: true, description: 'Whose short code begins like this.' })
  shortCodePrefix?: string | null;

  @Field(() => String, { nullable: true, description: 'The one that calls itself this.' })
  identifier?: string | null;

  @Field(() => ID, { nullable: true, description: 'Those of this account.' })
  userId?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'Those that are online, or those that are not.' })
  online?: boolean | null;
}
