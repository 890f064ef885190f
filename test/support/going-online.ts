import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';
import { signAccessToken } from '../../src/modules/identity/session/access-token.ts';
import type { RunningServices } from '../../src/platform/services.ts';
import { buildDevice, buildSession } from './factories.ts';

/** A device that may go online. */
export interface LoggedInDevice {
  userId: string;
  deviceId: string;
  token: string;
}

type OnlineServices = Pick<RunningServices, 'db' | 'signingKeys'>;

/** A device with a session, of a new account unless one is given. */
export async function newLoggedInDevice(
  services: OnlineServices,
  owner: { userId?: string } = {},
): Promise<LoggedInDevice> {
  const { id: deviceId, userId } = await buildDevice(services.db, owner);
  const { id: sessionId } = await buildSession(services.db, { userId, deviceId });
  return { userId, deviceId, token: await tokenOf(services, { userId, sessionId }) };
}

/** The same many times, each of an account of its own, in a few statements. */
export async function newLoggedInDevices(services: OnlineServices, count: number): Promise<LoggedInDevice[]> {
  const rows = Array.from({ length: count }, () => ({
    ...{ userId: randomUUID(), identityId: randomUUID(), deviceId: randomUUID(), sessionId: randomUUID() },
  }));
  const { db } = services;
  await db.user.createMany({ data: rows.map(({ userId: id }) => ({ id })) });
  await db.identity.createMany({
    data: rows.map(({ identityId: id, userId }) => ({ id, userId, type: 'DEVICE' as const, value: id })),
  });
  await db.device.createMany({
    data: rows.map(({ deviceId: id, userId, identityId }) => ({ id, userId, identityId })),
  });
  const [refreshSeed, expiresAt] = [new Uint8Array(32), new Date(Date.now() + 86_400_000)];
  await db.session.createMany({
    data: rows.map(({ sessionId: id, ...row }) => ({
      ...{ id, userId: row.userId, deviceId: row.deviceId, refreshSeed, expiresAt },
    })),
  });
  return Promise.all(rows.map(async (row) => ({ ...row, token: await tokenOf(services, row) })));
}

async function tokenOf({ signingKeys }: OnlineServices, owner: { userId: string; sessionId: string }) {
  return (await signAccessToken(signingKeys, { ...owner, issuedAt: new Date() })).accessToken;
}

/** A websocket that was let in. */
export interface OnlineSocket {
  close(): void;
  /** As when the network is gone: without a farewell. */
  terminate(): void;
  closed: Promise<{ code: number; reason: string }>;
  isOpen(): boolean;
}

/**
 * Opens a websocket to the server, and waits until it is let in.
 *
 * @throws Error with the close code when it is not
 */
export async function goOnline(url: string, { token }: { token: string }): Promise<OnlineSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  // The close tells the same.
  socket.on('error', () => {});
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }));
  });
  socket.once('open', () =>
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })),
  );
  const letIn = new Promise<'let in'>((resolve) => socket.once('message', () => resolve('let in')));
  const first = await Promise.race([letIn, closed]);
  if (first !== 'let in') throw new Error(`not let in: ${JSON.stringify(first)}`);
  return {
    close: () => socket.close(),
    terminate: () => socket.terminate(),
    closed,
    isOpen: () => socket.readyState === socket.OPEN,
  };
}
