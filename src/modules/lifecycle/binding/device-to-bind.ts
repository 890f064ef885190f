import { DeviceLogin } from '../../identity/device-proof/device-login.ts';

/** The device that comes with a login by e-mail; none is fine. */
export const DeviceToBind = DeviceLogin.nullish().refine((device) => !device?.linkCode, {
  path: ['linkCode'],
  message: 'is for deviceLogin alone: the password says which account it is',
});
