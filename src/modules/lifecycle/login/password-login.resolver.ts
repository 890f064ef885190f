import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { z } from 'zod';
import type { Context } from '../../../context.ts';
import type { DeviceLogin } from '../../identity/device-proof/device-login.ts';
import { AuthPayload } from '../../identity/session/session.types.ts';
import { CurrentUser, Public, SignedIn } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { User } from '../account/user.types.ts';
import { addEmail } from './add-email.ts';
import { AddEmailInput, RegisterInput } from './password-login.types.ts';
import { register } from './register.ts';

@Resolver()
export class AccountResolver {
  @Public()
  @Mutation(() => AuthPayload, { description: 'Makes an account with an e-mail address, and logs in to it.' })
  register(
    @Arg('input', () => RegisterInput, { description: 'Address, password, and the device that asks.' })
    input: RegisterInput & { device?: z.input<typeof DeviceLogin> },
    @Ctx() context: Context,
  ): Promise<AuthPayload> {
    return register(context, input);
  }

  @SignedIn()
  @Mutation(() => User, { description: 'Gives your account an e-mail address and a password to log in by.' })
  addEmail(
    @Arg('input', () => AddEmailInput, { description: 'Address and password.' }) input: AddEmailInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<User> {
    return addEmail(context, { userId, input });
  }
}
