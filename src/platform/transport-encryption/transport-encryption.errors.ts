import { defineErrors } from '../errors.ts';

export const TransportEncryptionError = defineErrors('TransportEncryptionError', {
  SECRET_IS_EMPTY: { message: 'Device encryption is enabled, but no transport key exists yet.' },
  INVALID_CIPHERTEXT: { message: 'The message could not be decrypted.', hasTime: true },
});
