import { GraphQLEnumType } from 'graphql';
import { AuthError } from './modules/auth/auth.errors.ts';
import { DeviceError } from './modules/device/device.errors.ts';
import { OrderError } from './modules/order/order.errors.ts';
import { RedemptionError } from './modules/redemption/redemption.errors.ts';
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

/** The enum of the schema: clients get the codes from it. */
export const ErrorCodeEnum = new GraphQLEnumType({
  name: 'ErrorCode',
  description: 'What `extensions.code` of an error can be. Switch on it; the message is for people.',
  values: Object.fromEntries(
    Object.entries(ERROR_MESSAGES).map(([code, description]) => [code, { value: code, description }]),
  ),
});
