import { z } from 'zod';
import { UnitTime } from '../../../generated/prisma/client.ts';
import { checkInput, orElse, orNull } from '../../../platform/input.ts';
import type { RetainedMacs } from '../../../platform/keys/retained-mac-keys.ts';
import type { Services } from '../../../platform/services.ts';
import { quantityRefusal } from '../../kernel/unit-time.ts';

const PURPOSE = 'redemption-batch';

/** The requests of these hashes are not stored. */
export const RETAINED_REQUEST_MACS: RetainedMacs = { purpose: PURPOSE, lifetimeMs: null };

const MAX_COUNT = 1_000_000;

/**
 * Imported codes are all inserted before the call returns. Over HTTP the body limit allows about
 * 2,500.
 */
const MAX_IMPORT = 10_000;

const NewBatch = z
  .object({
    planId: z.string(),
    unitTime: z.enum(UnitTime),
    quantity: z.int().min(1, 'must be at least 1'),
    maxUses: orNull(z.int().min(1, 'must be at least 1')),
    count: z.int().min(1, 'must be at least 1').max(MAX_COUNT, `must be at most ${MAX_COUNT}`).nullish(),
    codes: z
      .array(z.string())
      .min(1, 'must not be empty')
      .max(MAX_IMPORT, `must have at most ${MAX_IMPORT} entries`)
      .nullish(),
    allowGuessable: orElse(z.boolean(), false),
    expiresAt: orNull(z.date()),
    label: orNull(z.string().max(100, 'must have at most 100 characters')),
    note: orNull(z.string().max(1_000, 'must have at most 1000 characters')),
    idempotencyKey: orNull(z.string().min(1, 'must not be empty').max(64, 'must have at most 64 characters')),
  })
  .check(({ value: { unitTime, quantity }, issues }) => {
    const message = quantityRefusal(unitTime, quantity);
    if (message) issues.push({ code: 'custom', input: quantity, path: ['quantity'], message });
  })
  .refine(({ count, codes }) => (count == null) !== (codes == null), {
    path: ['count'],
    message: 'give either count, or codes to import',
  });

export type BatchInput = z.input<typeof NewBatch>;

/** A valid request for a batch: either `count` or `codes` is set. */
export type NewBatch = z.output<typeof NewBatch>;

/** @throws PlatformError BAD_USER_INPUT */
export const checkNewBatch = (input: BatchInput): NewBatch => checkInput(NewBatch, input);

/**
 * Computes a keyed hash of the request, to detect an idempotency key that is reused for another
 * request. The hash is keyed because the request may contain codes; their order is ignored, and so
 * is `allowGuessable`, which does not change the batch.
 *
 * @param codes imported codes in normal form
 * @returns one hash for each valid secret key, the current key first
 */
export function requestMacsOf(
  { secrets }: Pick<Services, 'secrets'>,
  { idempotencyKey, planId, codes: _typed, allowGuessable: _permission, ...request }: NewBatch,
  codes: readonly string[] | null,
): Buffer[] {
  const sorted = Object.entries({ ...request, count: request.count ?? null }).toSorted(([one], [other]) =>
    one < other ? -1 : 1,
  );
  const content = JSON.stringify([planId.toLowerCase(), sorted, codes?.toSorted() ?? null]);
  return secrets.macs(PURPOSE, content);
}
