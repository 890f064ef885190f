import { defineErrors } from '../../platform/errors.ts';

export const DeviceError = defineErrors('DeviceError', {
  DEVICE_DISABLED: { message: 'This device is disabled.' },
  DEVICE_PROOF_REQUIRED: { message: 'This device must present its secret or a proof signed with its key.' },
  DEVICE_PROOF_INVALID: { message: 'The secret or the proof does not belong to this device.' },
  DEVICE_LIMIT_REACHED: { message: 'You have reached your device limit. Choose a device to replace.' },
  DEVICE_BOUND_ELSEWHERE: { message: 'This device belongs to another account. Confirm to move it.' },
  DEVICE_DISPLACED: { message: 'Another device on this account came online, so this one was disconnected.' },
});
