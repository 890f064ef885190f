import { DeviceLoginSchema } from '../../identity/device-proof/device-login.ts';

/** The device that comes with a login by e-mail; none is fine. */
export const DeviceToBind = DeviceLoginSchema.nullish().refine((device) => !device?.linkCode, {
  path: ['linkCode'],
  message: 'is for deviceLogin alone: the password says which account it is',
});
