import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import type { z } from 'zod';
import type { Context } from '../../context.ts';
import { Public } from '../auth/access.ts';
import { AuthPayload } from '../auth/auth.types.ts';
import { Device, DeviceChallenge, DeviceLoginInput } from './device.types.ts';
import { createDeviceChallenge } from './device-challenge.ts';
import type { DeviceLogin } from './device-login.ts';
import { logInDevice } from './log-in-device.ts';

@Resolver(() => Device)
export class DeviceResolver {
  @Public()
  @Mutation(() => DeviceChallenge, { description: 'A nonce for a device that logs in with its key.' })
  deviceChallenge(
    @Arg('identifier', () => String, { description: 'The identifier that will log in.' }) identifier: string,
    @Ctx() context: Context,
  ): Promise<DeviceChallenge> {
    return createDeviceChallenge(context, { identifier });
  }

  @Public()
  @Mutation(() => AuthPayload, {
    description:
      'Logs a device in. An unknown one gets an account of its own; repeating a first login is safe.',
  })
  deviceLogin(
    @Arg('input', () => DeviceLoginInput, { description: 'Who the device is, and what proves it.' })
    input: DeviceLoginInput,
    @Ctx() context: Context,
  ): Promise<AuthPayload> {
    return logInDevice(context, input as z.input<typeof DeviceLogin>);
  }

  @FieldResolver(() => Boolean, { description: 'Whether it is the device that asks.' })
  current(@Root() { id }: Device, @Ctx() { caller }: Context): boolean {
    return caller.kind === 'user' && caller.deviceId === id;
  }
}
