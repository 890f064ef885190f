import { defineErrors } from '../../platform/errors.ts';

export const DeviceError = defineErrors({
  DEVICE_DISABLED: 'This device is disabled.',
  DEVICE_PROOF_REQUIRED: 'This device must show its secret, or a proof with its key.',
  DEVICE_PROOF_INVALID: 'The secret or the proof is not that of this device.',
  DEVICE_LIMIT_REACHED: 'The account has as many devices as it may have. Choose one to replace.',
  DEVICE_BOUND_ELSEWHERE: 'This device belongs to another account. Confirm to move it.',
  DEVICE_DISPLACED: 'Another device of this account is online in place of this one.',
});
