import { registerEnumType } from 'type-graphql';
import { AuthError } from './modules/kernel/auth.errors.ts';
import { DeviceError } from './modules/kernel/device.errors.ts';
import { RedemptionError } from './modules/kernel/redemption.errors.ts';
import { PlatformError } from './platform/errors.ts';
import { TransportEncryptionError } from './platform/transport-encryption/transport-encryption.errors.ts';

/** All refusals of the API, by code. */
export const REFUSALS = {
  ...PlatformError.table,
  ...AuthError.table,
  ...DeviceError.table,
  ...RedemptionError.table,
  ...TransportEncryptionError.table,
};

export type ErrorCodeName = keyof typeof REFUSALS;

/** The `ErrorCode` enum of the schema, from which client code can be generated. */
export const ErrorCode = Object.fromEntries(Object.keys(REFUSALS).map((code) => [code, code])) as {
  [Code in ErrorCodeName]: Code;
};

registerEnumType(ErrorCode, {
  name: 'ErrorCode',
  description: 'Values of `extensions.code`. Handle errors by code: messages are for people and may change.',
  valuesConfig: Object.fromEntries(
    Object.entries(REFUSALS).map(([code, { message }]) => [code, { description: message }]),
  ),
});
