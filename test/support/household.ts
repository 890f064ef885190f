import { randomUUID } from 'node:crypto';
import type { UserCaller } from '../../src/modules/kernel/caller.ts';
import {
  CreateLinkCodeDocument,
  DeviceLoginDocument,
  ViewerChangedDocument,
  ViewerDocument,
} from '../generated/graphql.ts';
import { newSecret, type TestApi, type TestUser } from './api.ts';

/** A device that is logged in, and which one it is. */
export type TestDevice = TestUser & { deviceId: string; sessionId: string };

/** The user as the device that he has logged in with. */
export async function asDevice(user: TestUser): Promise<TestDevice> {
  const { viewer } = await user.get(ViewerDocument);
  const session = viewer?.sessions.find(({ current }) => current);
  return Object.assign(user, { deviceId: session?.device?.id ?? '', sessionId: session?.id ?? '' });
}

/** An account with one device. */
export const newDevice = async (api: TestApi): Promise<TestDevice> => asDevice(await api.newUser());

/** Another device of the same account. Its session is in the cache, so that only an announcement can end it at once. */
export async function anotherDevice(user: TestUser): Promise<TestDevice> {
  const { createLinkCode } = await user.get(CreateLinkCodeDocument, {});
  const [identifier, secret] = [`device-${randomUUID()}`, newSecret()];
  const client = user.as(undefined);
  const { deviceLogin } = await client.get(DeviceLoginDocument, {
    input: { identifier, secret, linkCode: createLinkCode.code },
  });
  client.token = deviceLogin.accessToken;
  const { refreshToken } = deviceLogin;
  return asDevice(Object.assign(client, { userId: user.userId, refreshToken, identifier, secret }));
}

/** The device as verbs see it. */
export const callerOf = ({ userId, sessionId, deviceId }: TestDevice): UserCaller => ({
  kind: 'user',
  role: 'USER',
  userId,
  sessionId,
  deviceId,
});

/** An open websocket of the client, and how it ends: `code reason`. */
export async function openSocket(client: TestUser) {
  const messages = client.subscribe(ViewerChangedDocument);
  await messages.next();
  let end: string | undefined;
  const closed = (async () => {
    try {
      for await (const _ of messages);
      end = 'completed';
    } catch (error) {
      const { code, reason } = error as { code?: number; reason?: string };
      end = `${code} ${reason}`;
    }
    return end;
  })();
  return { closed, isOpen: () => end === undefined, close: () => messages.return?.() };
}

/** The code with which the client is refused its own account; undefined when it is not. */
export async function refusedAsViewer(client: TestUser): Promise<string | undefined> {
  const { errors } = await client.ask(ViewerDocument);
  return errors?.[0]?.extensions.code;
}

/** What the client's `viewerChanged` says after something was done, once that is another number of devices. */
export async function devicesAfter(client: TestUser, change: () => Promise<unknown>): Promise<number> {
  const messages = client.subscribe(ViewerChangedDocument);
  const count = async () => (await messages.next()).value?.data?.viewerChanged.devices.totalCount ?? 0;
  const before = await count();
  await change();
  let after = await count();
  while (after === before) after = await count();
  await messages.return?.();
  return after;
}
