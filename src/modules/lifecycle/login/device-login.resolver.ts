import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { z } from 'zod';
import type { Context } from '../../../context.ts';
import { DeviceChallenge, DeviceLoginInput } from '../../identity/device/device.types.ts';
import { createDeviceChallenge } from '../../identity/device-proof/device-challenge.ts';
import type { DeviceLoginSchema } from '../../identity/device-proof/device-login-input.ts';
import { AuthPayload } from '../../identity/session/session.types.ts';
import { Public } from '../../kernel/access.ts';
import { logInDevice } from './log-in-device.ts';

@Resolver()
export class DeviceLoginResolver {
  @Public()
  @Mutation(() => DeviceChallenge, {
    description: 'Creates a nonce that a device signs to log in with its key.',
  })
  deviceChallenge(
    @Arg('identifier', () => String, {
      description: 'The identifier that the device will log in with; the nonce is valid only for it.',
    })
    identifier: string,
    @Ctx() context: Context,
  ): Promise<DeviceChallenge> {
    return createDeviceChallenge(context, { identifier });
  }

  @Public()
  @Mutation(() => AuthPayload, {
    description:
      'Logs a device in. An unknown device gets a new account, or joins the account of its link code. Idempotent: repeating the first login returns the same account.',
  })
  deviceLogin(
    @Arg('input', () => DeviceLoginInput, { description: 'The identifier of the device and its credential.' })
    input: DeviceLoginInput,
    @Ctx() context: Context,
  ): Promise<AuthPayload> {
    return logInDevice(context, input as z.input<typeof DeviceLoginSchema>);
  }
}
