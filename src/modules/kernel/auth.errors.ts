import { defineErrors } from '../../platform/errors.ts';

export const AuthError = defineErrors({
  INVALID_CREDENTIALS: 'The e-mail address or the password is wrong.',
  EMAIL_TAKEN: 'This e-mail address belongs to an account already.',
  REGISTRATION_CLOSED: 'New accounts cannot be made at the moment.',
  ACCOUNT_DISABLED: 'This account is disabled.',
  SESSION_REVOKED: 'This session has ended. Log in again.',
  LAST_IDENTITY: 'This is the last way into an account that still has a subscription.',
  LINK_CODE_INVALID: 'This link code is wrong, used up or too old.',
});
