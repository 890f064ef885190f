import { defineErrors } from '../../platform/errors.ts';

export const AuthError = defineErrors('AuthError', {
  INVALID_CREDENTIALS: { message: 'The e-mail address or the password is wrong.' },
  EMAIL_TAKEN: { message: 'This e-mail address already belongs to an account.' },
  REGISTRATION_CLOSED: { message: 'New accounts cannot be created at the moment.' },
  ACCOUNT_DISABLED: { message: 'This account is disabled.' },
  SESSION_REVOKED: { message: 'Your session is no longer valid. Sign in again.' },
  LAST_IDENTITY: { message: 'This is the last way to sign in to an account that still has a subscription.' },
  LINK_CODE_INVALID: { message: 'This link code is wrong, already used or expired.' },
});
