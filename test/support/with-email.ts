import { hashPassword } from '../../src/modules/identity/credentials/password.ts';
import { LoginDocument } from '../generated/graphql.ts';
import type { TestApi } from './api.ts';
import { buildIdentity, unique } from './factories.ts';

/** The password of `withEmail`. */
export const PASSWORD = 'correct horse battery staple';

const passwordHash = hashPassword(PASSWORD);

export const newAddress = () => `${unique('user')}@example.test`;

/** Adds an e-mail address and `PASSWORD` to the account. */
export async function withEmail<User extends { userId: string }>(
  { services }: TestApi,
  user: User,
): Promise<User & { email: string }> {
  const { value: email } = await buildIdentity(services.db, {
    userId: user.userId,
    type: 'EMAIL',
    value: newAddress(),
    passwordHash: await passwordHash,
  });
  return Object.assign(user, { email });
}

/** Logs in, and returns the error code; `OK` if it succeeds. */
export async function loginCode(api: TestApi, email: string, password = PASSWORD): Promise<string> {
  const { errors } = await api.anonymous.ask(LoginDocument, { input: { email, password } });
  return errors?.[0]?.extensions.code ?? 'OK';
}
