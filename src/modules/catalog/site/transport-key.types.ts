import { Field, ObjectType } from 'type-graphql';
import type { KeyPair } from '../../../generated/prisma/client.ts';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';

@ObjectType({
  description: 'A key that devices encrypt their requests to; its public half is in /.well-known/jwks.json.',
})
export class TransportKey implements Pick<KeyPair, 'kid' | 'createdAt'> {
  @Field(() => String, {
    description: 'Its id: the thumbprint of its public half (RFC 7638, SHA-256, base64url).',
  })
  kid!: string;

  @Field(() => DateTimeScalar, { description: 'When it was made.' })
  createdAt!: Date;
}
