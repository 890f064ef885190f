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
      'Creates a new key for transport encryption, valid immediately. The previous key remains valid until the next rotation.',
  })
  rotateTransportKey(
    @CurrentUser() { userId }: UserCaller,
    @Ctx() services: Services,
  ): Promise<TransportKey> {
    return rotateTransportKey(services, { actorId: userId });
  }
}
