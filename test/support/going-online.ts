import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';
import { signAccessToken } from '../../src/modules/identity/session/access-token.ts';
import type { RunningServices } from '../../src/platform/services.ts';
import { buildDevice, buildSession } from './factories.ts';

/** A device with an access token. */
export interface LoggedInDevice {
  userId: string;
  deviceId: string;
  token: string;
}

type OnlineServices = Pick<RunningServices, 'db' | 'signingKeys'>;

/** Creates a device with a session, for a new account unless one is given. */
export async function newLoggedInDevice(
  services: OnlineServices,
  owner: { userId?: string } = {},
): Promise<LoggedInDevice> {
  const { id: deviceId, userId } = await buildDevice(services.db, owner);
  const { id: sessionId } = await buildSession(services.db, { userId, deviceId });
  return { userId, deviceId, token: await tokenOf(services, { userId, sessionId }) };
}

/** Creates many devices, each with its own account, in a few statements. */
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

/** An acknowledged websocket. */
export interface OnlineSocket {
  close(): void;
  /** Drops the connection without a close frame, as when the network fails. */
  terminate(): void;
  closed: Promise<{ code: number; reason: string }>;
  isOpen(): boolean;
}

/**
 * Opens a websocket and waits until the server acknowledges it.
 *
 * @throws Error with the close code if the server rejects it
 */
export async function goOnline(url: string, { token }: { token: string }): Promise<OnlineSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  // The close event reports the same failure.
  socket.on('error', () => {});
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }));
  });
  socket.once('open', () =>
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })),
  );
  const acknowledged = new Promise<'acknowledged'>((resolve) =>
    socket.once('message', () => resolve('acknowledged')),
  );
  const first = await Promise.race([acknowledged, closed]);
  if (first !== 'acknowledged') throw new Error(`not acknowledged: ${JSON.stringify(first)}`);
  return {
    close: () => socket.close(),
    terminate: () => socket.terminate(),
    closed,
    isOpen: () => socket.readyState === socket.OPEN,
  };
}
