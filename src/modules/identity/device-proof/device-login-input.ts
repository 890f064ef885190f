import { z } from 'zod';
import { checkId } from '../../../platform/input.ts';
import { isInvisible } from '../../../platform/text.ts';
import { DeviceIdentifier } from './device-challenge.ts';
import { DevicePublicKeySchema } from './device-proof.ts';

/**
 * Text that only describes the device, as operating systems and stores word it. It never stops a
 * login: it is cut to the length, and null if nothing of it is visible.
 */
const description = (maxLength: number) =>
  z
    .string()
    .nullish()
    .transform((text) => {
      const line = text?.replace(/\p{Cc}/gu, ' ').trim() ?? '';
      const cut = Array.from(line).slice(0, maxLength).join('').trim();
      return isInvisible(cut) ? null : cut;
    });

export const DeviceLoginSchema = z
  .object({
    identifier: DeviceIdentifier,
    secret: z
      .string()
      .regex(/^[A-Za-z0-9_-]{43,128}$/, 'must be 43 to 128 base64url characters (256 random bits or more)')
      .nullish(),
    publicKey: DevicePublicKeySchema.nullish(),
    proof: z.string().max(4_096, 'must have at most 4096 characters').nullish(),
    shortCode: description(32),
    name: description(100),
    platform: description(50),
    appVersion: description(50),
    linkCode: z.string().max(256, 'must have at most 256 characters').nullish(),
    confirmationToken: z.string().max(64, 'must have at most 64 characters').nullish(),
    replaceDeviceId: z
      .string()
      .nullish()
      .transform((id) => (id ? checkId(id) : null)),
  })
  .refine(({ secret, publicKey }) => !(secret && publicKey), {
    path: ['publicKey'],
    message: 'must not be combined with a secret: a device has one or the other',
  })
  .refine(({ publicKey, proof }) => Boolean(publicKey) === Boolean(proof), {
    path: ['proof'],
    message: 'must be given if and only if publicKey is given',
  });

export type DeviceLogin = z.output<typeof DeviceLoginSchema>;
