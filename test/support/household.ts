import { randomUUID } from 'node:crypto';
import type { UserCaller } from '../../src/modules/kernel/caller.ts';
import { required } from '../../src/platform/required.ts';
import {
  CreateLinkCodeDocument,
  DeviceLoginDocument,
  ViewerChangedDocument,
  ViewerDocument,
} from '../generated/graphql.ts';
import { newSecret, type TestApi, type TestUser } from './api.ts';

/** A logged-in device with its ids. */
export type TestDevice = TestUser & { deviceId: string; sessionId: string };

/** Adds the ids of the device and session with which the user has logged in. */
export async function asDevice(user: TestUser): Promise<TestDevice> {
  const { viewer } = await user.get(ViewerDocument);
  const session = viewer?.sessions.nodes.find(({ current }) => current);
  return Object.assign(user, {
    deviceId: required(session?.device?.id, 'id of the current device'),
    sessionId: required(session?.id, 'id of the current session'),
  });
}

/** Creates an account with one device. */
export const newDevice = async (api: TestApi): Promise<TestDevice> => asDevice(await api.newUser());

/**
 * Logs another device in to the same account. Its session is cached, so that a test notices a
 * missing cache invalidation.
 */
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

/** The device as the caller of a verb. */
export const callerOf = ({ userId, sessionId, deviceId }: TestDevice): UserCaller => ({
  kind: 'user',
  role: 'USER',
  userId,
  sessionId,
  deviceId,
});

/** Opens a websocket with a subscription. `closed` resolves to `<close code> <reason>`. */
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

/** Queries `viewer` and returns the error code; undefined if it succeeds. */
export async function refusedAsViewer(client: Pick<TestUser, 'ask'>): Promise<string | undefined> {
  const { errors } = await client.ask(ViewerDocument);
  return errors?.[0]?.extensions.code;
}

/**
 * Runs a change, waits until `viewerChanged` reports a different number of devices, and returns
 * that number.
 */
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
