import { Field, InputType } from 'type-graphql';
import { DeviceLoginInput } from '../../identity/device/device.types.ts';

@InputType({ description: 'The e-mail address and password of an account.' })
export class LoginInput {
  @Field(() => String, { description: 'E-mail address, case-insensitive.' })
  email!: string;

  @Field(() => String, { description: '1–128 characters.' })
  password!: string;

  @Field(() => DeviceLoginInput, {
    nullable: true,
    description: 'The device to bind to the account; absent: a session without a device.',
  })
  device?: DeviceLoginInput | null;
}

@InputType({ description: 'The credentials of a new account.' })
export class RegisterInput {
  @Field(() => String, { description: 'E-mail address, case-insensitive. It must not belong to an account.' })
  email!: string;

  @Field(() => String, { description: '8–128 characters.' })
  password!: string;

  @Field(() => DeviceLoginInput, {
    nullable: true,
    description: 'The device to bind to the account; absent: a session without a device.',
  })
  device?: DeviceLoginInput | null;
}

@InputType({ description: 'The credentials to add to an account that has none.' })
export class AddEmailInput {
  @Field(() => String, { description: 'E-mail address, case-insensitive. It must not belong to an account.' })
  email!: string;

  @Field(() => String, { description: '8–128 characters.' })
  password!: string;
}

@InputType({ description: 'A password change.' })
export class ChangePasswordInput {
  @Field(() => String, { description: 'Failed attempts count towards the rate limit for wrong passwords.' })
  currentPassword!: string;

  @Field(() => String, { description: '8–128 characters.' })
  newPassword!: string;
}

@InputType({ description: 'A change of the e-mail address.' })
export class ChangeEmailInput {
  @Field(() => String, { description: 'E-mail address, case-insensitive. It must not belong to an account.' })
  email!: string;

  @Field(() => String, {
    description:
      'The password of the account. Failed attempts count towards the rate limit for wrong passwords.',
  })
  password!: string;
}
