import { defineErrors } from '../../platform/errors.ts';

export const RedemptionError = defineErrors({
  REDEMPTION_IN_PROGRESS: 'This code is being redeemed by you at this moment.',
  CODE_NOT_FOUND: 'No code matches what you entered.',
  CODE_DISABLED: 'This code is switched off.',
  CODE_EXPIRED: 'This code is too old.',
  CODE_EXHAUSTED: 'This code has no uses left.',
  CODE_ALREADY_REDEEMED: 'You have already redeemed this code.',
  PLAN_NOT_AVAILABLE: 'The plan of this code is not available any more.',
  QUOTA_EXCEEDED: 'You have had this plan as often as it may be had.',
  IDEMPOTENCY_KEY_REUSED: 'This idempotency key was used with another code.',
});
