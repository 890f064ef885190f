import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { z } from 'zod';
import type { Context } from '../../../context.ts';
import type { DeviceLoginSchema } from '../../identity/device-proof/device-login-input.ts';
import { AuthPayload } from '../../identity/session/session.types.ts';
import { CurrentUser, Public, SignedIn } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { User } from '../account/user.types.ts';
import { addEmail } from './add-email.ts';
import { changeEmail } from './change-email.ts';
import { changePassword } from './change-password.ts';
import { logIn } from './log-in.ts';
import {
  AddEmailInput,
  ChangeEmailInput,
  ChangePasswordInput,
  LoginInput,
  RegisterInput,
} from './password-login.types.ts';
import { register } from './register.ts';
import { removeEmail } from './remove-email.ts';

@Resolver()
export class PasswordLoginResolver {
  @Public()
  @Mutation(() => AuthPayload, {
    description: 'Logs in with an e-mail address and a password, and binds the device if there is one.',
  })
  login(
    @Arg('input', () => LoginInput, { description: 'Credentials and an optional device.' })
    input: LoginInput & { device?: z.input<typeof DeviceLoginSchema> },
    @Ctx() context: Context,
  ): Promise<AuthPayload> {
    return logIn(context, input);
  }

  @Public()
  @Mutation(() => AuthPayload, {
    description:
      'Creates an account with an e-mail address and a password, and logs in to it. Fails with EMAIL_TAKEN if the address belongs to an account.',
  })
  register(
    @Arg('input', () => RegisterInput, { description: 'Credentials and an optional device.' })
    input: RegisterInput & { device?: z.input<typeof DeviceLoginSchema> },
    @Ctx() context: Context,
  ): Promise<AuthPayload> {
    return register(context, input);
  }

  @SignedIn()
  @Mutation(() => User, {
    description:
      'Adds an e-mail address and a password to your account, so that you can log in without a device. An account has at most one address.',
  })
  addEmail(
    @Arg('input', () => AddEmailInput, { description: 'The new credentials.' }) input: AddEmailInput,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<User> {
    return addEmail(context, { caller, input });
  }

  @SignedIn()
  @Mutation(() => User, {
    description:
      'Changes your password and revokes your other sessions, your link codes and your confirmation tokens. Bound devices stay bound.',
  })
  changePassword(
    @Arg('input', () => ChangePasswordInput, { description: 'The current and the new password.' })
    input: ChangePasswordInput,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<User> {
    return changePassword(context, { caller, input });
  }

  @SignedIn()
  @Mutation(() => User, {
    description:
      'Changes the e-mail address of your account and revokes your other sessions. Fails with EMAIL_TAKEN if the address belongs to an account.',
  })
  changeEmail(
    @Arg('input', () => ChangeEmailInput, { description: 'The new address and your password.' })
    input: ChangeEmailInput,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<User> {
    return changeEmail(context, { caller, input });
  }

  @SignedIn()
  @Mutation(() => User, {
    description:
      'Removes the e-mail address and the password of your account and revokes your other sessions. Closes an account that has no device; with a live subscription, that fails with LAST_IDENTITY.',
  })
  removeEmail(
    @Arg('password', () => String, {
      description: 'Your password. Failed attempts count towards the rate limit for wrong passwords.',
    })
    password: string,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<User> {
    return removeEmail(context, { caller, password });
  }
}
