import { z } from 'zod';
import { DeviceLoginProof, ExcessDevices, HardwareIds, UnitTime } from '../../../generated/prisma/client.ts';
import { EditedVersion } from '../../../platform/database/edit.ts';
import { label, longest, WebAddressOrPath } from '../../../platform/text.ts';
import { CustomData } from './custom-data.ts';

const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'));

/** Absent fields keep their value; null clears optional ones. */
export const SiteChange = z.object({
  version: EditedVersion,
  name: label(100).optional(),
  description: longest(1_000).optional(),
  logo: WebAddressOrPath.nullish(),
  keywords: z
    .array(label(50))
    .max(100, 'must have at most 100 entries')
    .transform((words) => [...new Set(words)])
    .optional(),
  customHtml: longest(16_384).nullish(),
  customData: CustomData.optional(),
  currency: z
    .string()
    .trim()
    .toUpperCase()
    .refine((code) => CURRENCIES.has(code), 'must be an ISO 4217 currency code such as EUR')
    .optional(),
  registrationEnabled: z.boolean().optional(),
  deviceLoginProof: z.enum(DeviceLoginProof).optional(),
  deviceLimit: z.int().min(0, 'must not be negative').nullish(),
  hardwareIds: z.enum(HardwareIds).optional(),
  excessDevices: z.enum(ExcessDevices).optional(),
  roamingSeconds: z.int().min(0, 'must not be negative').max(600, 'must be at most 600').optional(),
  transportEncryption: z.boolean().optional(),
  trialPlanId: z.string().nullish(),
  trialUnitTime: z.enum(UnitTime).nullish(),
  trialQuantity: z.int().min(1, 'must be at least 1').max(36_500, 'must be at most 36500').nullish(),
});
