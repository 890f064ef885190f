import { defineErrors } from '../../platform/errors.ts';

export const OrderError = defineErrors({
  ACTIVATION_FAILED: 'The order could not be activated. The code was not used up.',
});
