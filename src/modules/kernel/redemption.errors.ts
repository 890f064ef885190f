import { defineErrors } from '../../platform/errors.ts';

export const RedemptionError = defineErrors('RedemptionError', {
  REDEMPTION_IN_PROGRESS: { message: 'You are already redeeming this code. Try again.', retryable: true },
  CODE_NOT_FOUND: { message: 'This code does not exist.' },
  CODE_DISABLED: { message: 'This code is disabled.' },
  CODE_EXPIRED: { message: 'This code has expired.' },
  CODE_EXHAUSTED: { message: 'This code has no uses left.' },
  CODE_ALREADY_REDEEMED: { message: 'You have already redeemed this code.' },
  PLAN_NOT_AVAILABLE: { message: 'The plan of this code is no longer available.' },
  QUOTA_EXCEEDED: { message: 'You have reached the limit for this plan.' },
  IDEMPOTENCY_KEY_REUSED: { message: 'This idempotency key was used with another code.' },
  ACTIVATION_FAILED: { message: 'The order could not be activated. You can redeem the code again.' },
});
