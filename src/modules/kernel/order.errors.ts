import { defineErrors } from '../../platform/errors.ts';

export const OrderError = defineErrors('OrderError', {
  ACTIVATION_FAILED: { message: 'The order could not be activated. The code was not used up.' },
});
