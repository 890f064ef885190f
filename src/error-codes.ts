import { registerEnumType } from 'type-graphql';
import { AuthError } from './modules/kernel/auth.errors.ts';
import { DeviceError } from './modules/kernel/device.errors.ts';
import { OrderError } from './modules/kernel/order.errors.ts';
import { RedemptionError } from './modules/kernel/redemption.errors.ts';
import { PlatformError } from './platform/errors.ts';
import { TransportEncryptionError } from './platform/transport-encryption/transport-encryption.errors.ts';

/** Every refusal the service gives, by code. */
export const REFUSALS = {
  ...PlatformError.table,
  ...AuthError.table,
  ...DeviceError.table,
  ...RedemptionError.table,
  ...OrderError.table,
  ...TransportEncryptionError.table,
};

/** Each code by its own name. */
export type ErrorCodeName = keyof typeof REFUSALS;

/** The enum of the schema: clients get the codes from it. */
export const ErrorCode = Object.fromEntries(Object.keys(REFUSALS).map((code) => [code, code])) as {
  [Code in ErrorCodeName]: Code;
};

registerEnumType(ErrorCode, {
  name: 'ErrorCode',
  description: 'The values of `extensions.code`. Clients switch on the code; the message is for people.',
  valuesConfig: Object.fromEntries(
    Object.entries(REFUSALS).map(([code, { message }]) => [code, { description: message }]),
  ),
});
