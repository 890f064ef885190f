import { Field, ID, InputType, ObjectType } from 'type-graphql';
import type { Device as DeviceRow } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { Cosmetic } from '../../../platform/graphql/invalid-values.ts';
import { OrderBy } from '../../../platform/graphql/order-by.ts';
import { DateTimeScalar, JsonScalar } from '../../../platform/graphql/scalars.ts';
import { DEVICE_SORTS } from './list-devices.ts';

type DeviceFields = Omit<DeviceRow, 'userId' | 'identityId' | 'secretHash' | 'publicKey' | 'keyThumbprint'>;

@ObjectType({
  description:
    'An installation of an app, bound to one account, or a device that a proxy client has declared (SiteSettings.hardwareIds).',
})
export class Device implements DeviceFields {
  @Field(() => ID, {
    description: 'The UUID of the device. It stays the same when the device moves to another account.',
  })
  id!: string;

  @Field(() => String, {
    nullable: true,
    description: 'The label that the app chose at registration; null if it chose none.',
  })
  shortCode!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The name that the app or the user chose; null if neither did. Change it with updateDevice.',
  })
  name!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The operating system, as the app reported it; null if it never did.',
  })
  platform!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The app version, as the app last reported it; null if it never did.',
  })
  appVersion!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The IP address of the last login; null if it is unknown.',
  })
  ip!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The User-Agent header of the last login; null if it had none.',
  })
  userAgent!: string | null;

  @Field(() => Boolean, {
    description: 'Whether the device may log in. Disabling a device also revokes its session.',
  })
  enabled!: boolean;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the device last logged in; null if it never did.',
  })
  lastSeenAt!: Date | null;

  @Field(() => DateTimeScalar, { description: 'When the device registered.' })
  createdAt!: Date;
}

export const DeviceConnection = Connection(Device, 'Device');

export const DeviceOrderBy = OrderBy('Device', DEVICE_SORTS, {
  CREATED_AT_DESC: 'Newest first.',
  CREATED_AT_ASC: 'Oldest first.',
  LAST_SEEN_AT_DESC: 'Most recent login first; devices without a login last.',
  LAST_SEEN_AT_ASC: 'Least recent login first; devices without a login last.',
});

@ObjectType({ description: 'A nonce that a device signs to prove possession of its private key.' })
export class DeviceChallenge {
  @Field(() => String, { description: 'The value of the `nonce` claim of the proof. It can be used once.' })
  nonce!: string;

  @Field(() => DateTimeScalar, { description: 'When the nonce expires, 60 seconds after it was issued.' })
  expiresAt!: Date;
}

@InputType({
  description:
    'The identifier of a device and its credential: either a secret or a key pair. The app generates the credential before its first login and keeps it.',
})
export class DeviceLoginInput {
  @Field(() => String, {
    description:
      'The stable name of this installation, 8-128 printable ASCII characters. It is not a secret.',
  })
  identifier!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'The secret of the device, 43-128 base64url characters (at least 256 random bits). Mutually exclusive with `publicKey`.',
  })
  secret?: string | null;

  @Field(() => JsonScalar, {
    nullable: true,
    description:
      'The public key of the device as a JWK (P-256 or Ed25519). Requires `proof`; mutually exclusive with `secret`.',
  })
  publicKey?: unknown;

  @Field(() => String, {
    nullable: true,
    description:
      'The proof of possession of the private key: a compact JWS with header `{alg: ES256 | EdDSA, typ: "device-proof+jwt"}` and claims `nonce` (from deviceChallenge), `sub` (the identifier), `aud` ("deviceLogin"). Further claims, such as `iat`, are not checked, so that a wrong clock has no effect.',
  })
  proof?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'A label of 1-32 characters that admins can search for. Saved at registration and ignored later.',
  })
  @Cosmetic()
  shortCode?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'The name of the device, 1-100 characters. Saved at registration; later change it with updateDevice.',
  })
  @Cosmetic()
  name?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The operating system, 1-50 characters. If absent, the stored value is kept.',
  })
  @Cosmetic()
  platform?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The app version, 1-50 characters. If absent, the stored value is kept.',
  })
  @Cosmetic()
  appVersion?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'A code from createLinkCode. The device joins that account, and may register a new secret or key to replace a lost one. A device of another account moves only if it presents the secret or key that it has registered. Accepted by deviceLogin only.',
  })
  linkCode?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'The token from a DEVICE_BOUND_ELSEWHERE or DEVICE_LIMIT_REACHED error. Sending it confirms the binding.',
  })
  confirmationToken?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'The device of the account to replace. Requires the confirmationToken of a DEVICE_LIMIT_REACHED error.',
  })
  replaceDeviceId?: string | null;
}

@InputType({ description: 'Changes to a device. Absent fields stay unchanged.' })
export class UpdateDeviceInput {
  @Field(() => String, {
    nullable: true,
    description: 'The new name, 1-100 characters; null removes the name.',
  })
  name?: string | null;
}

@InputType({
  description: 'Conditions on devices, combined with AND. Absent and null conditions are ignored.',
})
export class DeviceFilter {
  @Field(() => String, { nullable: true, description: 'Matches the short code exactly.' })
  shortCode?: string | null;

  @Field(() => String, { nullable: true, description: 'Matches short codes that start with this text.' })
  shortCodePrefix?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Matches the device that registered with this identifier.',
  })
  identifier?: string | null;

  @Field(() => ID, { nullable: true, description: 'Matches devices of this user.' })
  userId?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Matches devices that are online (true) or offline (false). After a crash it may lag by up to 30 seconds.',
  })
  online?: boolean | null;
}
