import { required } from '../../src/platform/required.ts';
import {
  CreateLinkCodeDocument,
  DeviceLoginDocument,
  LoginDocument,
  PendingBindingDocument,
  RedemptionBatchesDocument,
  RefreshSessionDocument,
  RegisterDocument,
  UsersDocument,
  ViewerDocument,
} from '../generated/graphql.ts';
import type { TestApi, TestUser } from './api.ts';
import type { Answer, Client } from './client.ts';
import { buildBatch, unique } from './factories.ts';
import { asDevice, openSocket, type TestDevice } from './household.ts';
import { newInstallation } from './joining.ts';

/** The password of every account here. */
export const PASSWORD = 'correct horse battery staple';

/** A way into an account. Trying it returns whether it gives access. */
export type Way = () => Promise<boolean>;

/** An account in which another person has a session. */
export interface Intrusion {
  email: string;
  /** The session of the owner, by password. */
  owner: TestUser;
  /** The session to be revoked. */
  intruder: TestUser;
  /** By name. Ways that would use up another one come last. */
  ways: Record<string, Way>;
}

type Installation = ReturnType<typeof newInstallation>;

/** A customer's account, in which the intruder has a device. */
export async function intrudedAccount(
  api: TestApi,
  admin: TestUser,
): Promise<Intrusion & { device: TestDevice }> {
  const email = `${unique('user')}@example.test`;
  const { register } = await api.anonymous.get(RegisterDocument, { input: { email, password: PASSWORD } });
  const owner = userOf(api, register);
  const installation = newInstallation();
  const joined = await logInDevice(api, { ...installation, linkCode: await newLinkCode(owner) });
  const device = await asDevice(userOf(api, joined, installation));
  const foreign = newInstallation();
  await logInDevice(api, foreign);
  const codes = {
    own: await newLinkCode(device),
    owners: await newLinkCode(owner),
    admins: await newLinkCode(admin, owner.userId),
  };
  const tokens = {
    linkCode: await confirmationToken(
      api.anonymous.ask(DeviceLoginDocument, { input: { ...foreign, linkCode: codes.own } }),
    ),
    password: await confirmationToken(
      api.anonymous.ask(LoginDocument, { input: { email, password: PASSWORD, device: foreign } }),
    ),
  };
  const ways = {
    ...(await waysOfSession(device)),
    'confirmation token for a link code': readsPendingBinding(api, tokens.linkCode),
    'confirmation token for a password': readsPendingBinding(api, tokens.password),
    'own link code': joinsWith(api, owner.userId, codes.own),
    'link code of the owner': joinsWith(api, owner.userId, codes.owners),
    'link code of an admin': joinsWith(api, owner.userId, codes.admins),
    'refresh token': refreshes(api, device),
    'device secret': () => isIn(owner.userId, () => logInDevice(api, installation)),
    password: () => isIn(owner.userId, () => logIn(api, { email, password: PASSWORD })),
  };
  return { email, owner, intruder: device, device, ways };
}

/** An admin's account, in which the intruder has a session by password and a bound device. */
export async function intrudedAdmin(api: TestApi): Promise<Intrusion> {
  const owner = await api.newAdmin();
  const { userId, identifier: email } = owner;
  const intruder = userOf(api, await logIn(api, { email, password: PASSWORD }));
  const installation = newInstallation();
  const bound = await logIn(api, { email, password: PASSWORD, device: installation });
  const { user: customer } = await logInDevice(api, newInstallation());
  const { id: batchId } = await buildBatch(api.services.db, { count: 1, created: 1 });
  const { redemptionBatches } = await intruder.get(RedemptionBatchesDocument, { first: 1 });
  const batch = required(redemptionBatches?.nodes[0], 'newest batch');
  if (batch.id !== batchId) throw new Error('another batch was created concurrently');
  const foreign = newInstallation();
  await logInDevice(api, foreign);
  const token = await confirmationToken(
    api.anonymous.ask(LoginDocument, { input: { email, password: PASSWORD, device: foreign } }),
  );
  const ways = {
    ...(await waysOfSession(intruder)),
    'list of users': async () => !(await intruder.ask(UsersDocument, { first: 1 })).errors,
    'CSV link': async () => (await fetch(batch.csvUrl ?? '')).status === 200,
    'confirmation token for a password': readsPendingBinding(api, token),
    'device session': readsViewer(userOf(api, bound)),
    'own link code': joinsWith(api, userId, await newLinkCode(intruder)),
    'link code for a customer': joinsWith(api, customer.id, await newLinkCode(intruder, customer.id)),
    'refresh token': refreshes(api, intruder),
    'device secret': () => isIn(userId, () => logInDevice(api, installation)),
    password: () => isIn(userId, () => logIn(api, { email, password: PASSWORD })),
  };
  return { email, owner, intruder, ways };
}

/** Tries every way, and returns the names of those that give access. */
export async function openWays({ ways }: Intrusion): Promise<string[]> {
  const open: string[] = [];
  for (const [name, isOpen] of Object.entries(ways)) if (await isOpen()) open.push(name);
  return open;
}

const newLinkCode = async (by: Client, userId?: string) =>
  (await by.get(CreateLinkCodeDocument, { userId: userId ?? null })).createLinkCode.code;

/** Logs in with a password. */
export const logIn = async (
  api: TestApi,
  input: { email: string; password: string; device?: Installation },
) => (await api.anonymous.get(LoginDocument, { input })).login;

const logInDevice = async (api: TestApi, input: Installation & { linkCode?: string }) =>
  (await api.anonymous.get(DeviceLoginDocument, { input })).deviceLogin;

function userOf(
  api: TestApi,
  { accessToken, refreshToken, user }: Awaited<ReturnType<typeof logIn>>,
  { identifier, secret }: Partial<Installation> = {},
): TestUser {
  const client = api.anonymous.as(accessToken);
  return Object.assign(client, {
    userId: user.id,
    refreshToken,
    identifier: identifier ?? '',
    secret: secret ?? '',
  });
}

/** The token of a login that would move the device of another account. */
async function confirmationToken(answer: Promise<Answer<unknown>>): Promise<string> {
  const token = (await answer).errors?.[0]?.extensions.confirmationToken;
  if (typeof token !== 'string') throw new Error('no confirmation is required');
  return token;
}

async function waysOfSession(user: TestUser): Promise<Record<string, Way>> {
  const socket = await openSocket(user);
  return {
    'access token': readsViewer(user),
    websocket: async () => {
      const isOpen = await Promise.race([
        socket.closed.then(() => false),
        new Promise<boolean>((resolve) => setTimeout(() => resolve(true), SOCKET_MS)),
      ]);
      await socket.close();
      return isOpen;
    },
  };
}

/** Longer than a socket may outlive its session. */
const SOCKET_MS = 6_000;

const readsViewer =
  (client: Client): Way =>
  async () =>
    Boolean((await client.ask(ViewerDocument)).data?.viewer);

const refreshes =
  (api: TestApi, { refreshToken }: TestUser): Way =>
  async () =>
    !(await api.anonymous.ask(RefreshSessionDocument, { refreshToken })).errors;

const readsPendingBinding =
  (api: TestApi, token: string): Way =>
  async () =>
    Boolean((await api.anonymous.ask(PendingBindingDocument, { token })).data?.pendingBinding);

const joinsWith =
  (api: TestApi, userId: string, linkCode: string): Way =>
  () =>
    isIn(userId, () => logInDevice(api, { ...newInstallation(), linkCode }));

const isIn = (userId: string, attempt: () => Promise<{ user: { id: string } }>): Promise<boolean> =>
  attempt().then(
    ({ user }) => user.id === userId,
    () => false,
  );
