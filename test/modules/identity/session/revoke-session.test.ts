import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RefreshSessionDocument, RevokeSessionDocument, ViewerDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { anotherDevice, newDevice, openSocket, refusedAsViewer } from '../../../support/household.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api?.close());

describe('revokeSession', () => {
  it('revokes the session and closes its sockets immediately, and leaves other sessions open', async () => {
    const phone = await newDevice(api);
    const tablet = await anotherDevice(phone);
    const sockets = { phone: await openSocket(phone), tablet: await openSocket(tablet) };

    const { revokeSession } = await phone.get(RevokeSessionDocument, { id: tablet.sessionId });

    expect(revokeSession).toMatchObject({
      id: tablet.sessionId,
      current: false,
      revokedAt: expect.any(String),
      device: { id: tablet.deviceId },
    });
    expect(await refusedAsViewer(tablet)).toBe('UNAUTHENTICATED');
    expect(await sockets.tablet.closed).toBe('4401 SESSION_REVOKED');
    const { viewer } = await phone.get(ViewerDocument);
    expect(viewer?.sessions.nodes.map(({ id }) => id)).toEqual([phone.sessionId]);
    expect(sockets.phone.isOpen()).toBe(true);
    await sockets.phone.close();
  });

  it('invalidates the refresh token', async () => {
    const phone = await newDevice(api);
    const { refreshToken } = phone;

    await phone.get(RevokeSessionDocument, { id: phone.sessionId });

    const { extensions } = await api.anonymous.refused(RefreshSessionDocument, { refreshToken });
    expect(extensions.code).toBe('SESSION_REVOKED');
    expect(await refusedAsViewer(phone)).toBe('UNAUTHENTICATED');
  });

  it('is idempotent', async () => {
    const phone = await newDevice(api);
    const tablet = await anotherDevice(phone);
    const revoke = async () =>
      (await phone.get(RevokeSessionDocument, { id: tablet.sessionId })).revokeSession;

    expect(await revoke()).toEqual(await revoke());
  });

  it('fails with NOT_FOUND for a session of another user, even for an admin', async () => {
    const [phone, stranger, admin] = [await newDevice(api), await newDevice(api), await api.newAdmin()];

    for (const client of [stranger, admin]) {
      const { extensions } = await client.refused(RevokeSessionDocument, { id: phone.sessionId });
      expect(extensions.code).toBe('NOT_FOUND');
    }
    expect(await refusedAsViewer(phone)).toBeUndefined();
  });
});
