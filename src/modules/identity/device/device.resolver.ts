import { Arg, Ctx, FieldResolver, ID, Mutation, Resolver, Root } from 'type-graphql';
import type { z } from 'zod';
import type { Context } from '../../../context.ts';
import { CurrentUser, Public, SignedIn } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { unbindDevice } from '../../lifecycle/binding/unbind-device.ts';
import { logInDevice } from '../../lifecycle/login/log-in-device.ts';
import { createDeviceChallenge } from '../device-proof/device-challenge.ts';
import type { DeviceLogin } from '../device-proof/device-login.ts';
import { AuthPayload } from '../session/session.types.ts';
import { Device, DeviceChallenge, DeviceLoginInput, UpdateDeviceInput } from './device.types.ts';
import { updateDevice } from './update-device.ts';

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

  @SignedIn()
  @Mutation(() => Device, { description: 'Changes what you call a device of yours.' })
  updateDevice(
    @Arg('id', () => ID, { description: 'Which of your devices.' }) id: string,
    @Arg('input', () => UpdateDeviceInput, { description: 'What changes.' }) input: UpdateDeviceInput,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<Device> {
    return updateDevice(context, { caller, id, input });
  }

  @SignedIn()
  @Mutation(() => Device, {
    description:
      'Takes a device of yours from your account; answers with it as it was. The last way into an account that has a live subscription stays, any other closes the account.',
  })
  unbindDevice(
    @Arg('id', () => ID, { description: 'Which of your devices.' }) id: string,
    @Arg('rotateCredentials', () => Boolean, {
      nullable: true,
      description: 'Whether your live subscriptions get new credentials and tokens; absent: no.',
    })
    rotateCredentials: boolean | null,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<Device> {
    return unbindDevice(context, { caller, id, rotateCredentials: rotateCredentials ?? false });
  }

  @FieldResolver(() => Boolean, { description: 'Whether it is the device that asks.' })
  current(@Root() { id }: Device, @Ctx() { caller }: Context): boolean {
    return caller.kind === 'user' && caller.deviceId === id;
  }
}
