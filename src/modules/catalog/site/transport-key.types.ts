import { Field, ObjectType } from 'type-graphql';
import type { KeyPair } from '../../../generated/prisma/client.ts';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';

@ObjectType({
  description:
    'A key that devices encrypt requests to. Its public key is published at /.well-known/jwks.json.',
})
export class TransportKey implements Pick<KeyPair, 'kid' | 'createdAt'> {
  @Field(() => String, {
    description: 'Key ID: the SHA-256 thumbprint of the public key (RFC 7638), in base64url.',
  })
  kid!: string;

  @Field(() => DateTimeScalar, { description: 'When the key was created.' })
  createdAt!: Date;
}
