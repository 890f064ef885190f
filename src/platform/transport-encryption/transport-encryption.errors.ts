import { defineErrors } from '../errors.ts';

export const TransportEncryptionError = defineErrors({
  SECRET_IS_EMPTY: 'Device encryption is switched on, but there is no transport key yet.',
  INVALID_CIPHERTEXT: 'The message could not be opened.',
});
