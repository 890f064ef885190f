import { registerEnumType } from 'type-graphql';
import { AuthError } from './modules/kernel/auth.errors.ts';
import { DeviceError } from './modules/kernel/device.errors.ts';
import { OrderError } from './modules/kernel/order.errors.ts';
import { RedemptionError } from './modules/kernel/redemption.errors.ts';
import { PlatformError } from './platform/errors.ts';
import { TransportEncryptionError } from './platform/transport-encryption/transport-encryption.errors.ts';

/** Every refusal there is, with the sentence that people get. */
export const ERROR_MESSAGES = {
  ...PlatformError.messages,
  ...AuthError.messages,
  ...DeviceError.messages,
  ...RedemptionError.messages,
  ...OrderError.messages,
  ...TransportEncryptionError.messages,
} satisfies Record<string, string>;

/** Each code by its own name. */
export type ErrorCodeName = keyof typeof ERROR_MESSAGES;

/** The enum of the schema: clients get the codes from it. */
export const ErrorCode = Object.fromEntries(Object.keys(ERROR_MESSAGES).map((code) => [code, code])) as {
  [Code in ErrorCodeName]: Code;
};

registerEnumType(ErrorCode, {
  name: 'ErrorCode',
  description: 'What `extensions.code` of an error can be. Switch on it; the message is for people.',
  valuesConfig: Object.fromEntries(
    Object.entries(ERROR_MESSAGES).map(([code, description]) => [code, { description }]),
  ),
});
