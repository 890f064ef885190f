import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../../../src/modules/identity/credentials/password.ts';
import { USER_CHANGED } from '../../../../src/modules/kernel/topics.ts';
import {
  ChangePasswordDocument,
  DeleteAccountDocument,
  DeleteDeviceDocument,
  KickDeviceDocument,
  RevokeSessionDocument,
  RotateSubscriptionCredentialsDocument,
  SetDeviceEnabledDocument,
  UnbindDeviceDocument,
  UpdateDeviceDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildIdentity, buildSubscription } from '../../../support/factories.ts';
import { anotherDevice, newDevice, type TestDevice } from '../../../support/household.ts';

let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api?.close());

const changes: Record<string, (phone: TestDevice, tablet: TestDevice) => Promise<unknown>> = {
  updateDevice: (phone, { deviceId: id }) => phone.get(UpdateDeviceDocument, { id, input: { name: 'Big' } }),
  unbindDevice: (phone, { deviceId: id }) => phone.get(UnbindDeviceDocument, { id }),
  deleteDevice: (_, { deviceId: id }) => admin.get(DeleteDeviceDocument, { id }),
  kickDevice: (_, { deviceId: id }) => admin.get(KickDeviceDocument, { id }),
  setDeviceEnabled: (_, { deviceId: id }) => admin.get(SetDeviceEnabledDocument, { id, enabled: false }),
  revokeSession: (phone, { sessionId: id }) => phone.get(RevokeSessionDocument, { id }),
  deleteAccount: (phone) => phone.get(DeleteAccountDocument, {}),
  changePassword: async (phone) => {
    const passwordHash = await hashPassword('the old one');
    await buildIdentity(api.services.db, { userId: phone.userId, type: 'EMAIL', passwordHash });
    const input = { currentPassword: 'the old one', newPassword: 'the new one' };
    await phone.get(ChangePasswordDocument, { input });
  },
  rotateSubscriptionCredentials: async (phone) => {
    const { id } = await buildSubscription(api.services.db, { userId: phone.userId });
    await phone.get(RotateSubscriptionCredentialsDocument, { id });
  },
};

// The poll would wake them too, but two seconds later.
describe('watchers of an account', () => {
  it.each(Object.entries(changes))('are woken by %s', async (_, change) => {
    const phone = await newDevice(api);
    const tablet = await anotherDevice(phone);
    const woken: string[] = [];
    const stop = api.services.pubSub.onWake((topic, ids) => {
      if (topic === USER_CHANGED) woken.push(...ids);
    });

    await change(phone, tablet);

    stop();
    expect(woken).toContain(phone.userId);
  });
});
