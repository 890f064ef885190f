import { Ctx, Mutation, Resolver } from 'type-graphql';
import type { Services } from '../../../platform/services.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { rotateTransportKey } from './rotate-transport-key.ts';
import { TransportKey } from './transport-key.types.ts';

@Resolver()
export class TransportKeyAdminResolver {
  @AdminOnly()
  @Mutation(() => TransportKey, {
    description:
      'Makes a new key for devices to encrypt to, good at once. The one before stays good until the next rotation.',
  })
  rotateTransportKey(
    @CurrentUser() { userId }: UserCaller,
    @Ctx() services: Services,
  ): Promise<TransportKey> {
    return rotateTransportKey(services, { actorId: userId });
  }
}
