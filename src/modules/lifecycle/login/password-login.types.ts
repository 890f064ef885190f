import { Field, InputType } from 'type-graphql';
import { DeviceLoginInput } from '../../identity/device/device.types.ts';

@InputType({ description: 'A new account with an e-mail address.' })
export class RegisterInput {
  @Field(() => String, { description: 'The e-mail address; case does not matter.' })
  email!: string;

  @Field(() => String, { description: 'The password, 8-128 characters.' })
  password!: string;

  @Field(() => DeviceLoginInput, {
    nullable: true,
    description: 'The device that asks; it is bound to the account.',
  })
  device?: DeviceLoginInput | null;
}

@InputType({ description: 'An e-mail address to log in by.' })
export class AddEmailInput {
  @Field(() => String, { description: 'The e-mail address; case does not matter.' })
  email!: string;

  @Field(() => String, { description: 'The password, 8-128 characters.' })
  password!: string;
}
