import { z } from 'zod';
import { UnitTime } from '../../../generated/prisma/client.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';

const LARGEST_BATCH = 1_000_000;
/** All of them are there when the answer comes. A request body holds about 2,500 codes of 19 characters. */
const LARGEST_IMPORT = 10_000;

const orNull = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullish().transform((value) => value ?? null);

const NewBatch = z
  .object({
    planId: z.string(),
    unitTime: z.enum(UnitTime),
    quantity: z.int().min(1, 'must be at least 1').max(36_500, 'must be at most 36500'),
    maxUses: orNull(z.int().min(1, 'must be at least 1')),
    count: z
      .int()
      .min(1, 'must be at least 1')
      .max(LARGEST_BATCH, `must be at most ${LARGEST_BATCH}`)
      .nullish(),
    codes: z
      .array(z.string())
      .min(1, 'must not be empty')
      .max(LARGEST_IMPORT, `must have at most ${LARGEST_IMPORT} entries`)
      .nullish(),
    expiresAt: orNull(z.date()),
    label: orNull(z.string().max(100, 'must have at most 100 characters')),
    note: orNull(z.string().max(1_000, 'must have at most 1000 characters')),
    idempotencyKey: orNull(z.string().min(1, 'must not be empty').max(64, 'must have at most 64 characters')),
  })
  .refine(({ count, codes }) => (count == null) !== (codes == null), {
    path: ['count'],
    message: 'give either count, or codes to import',
  });

/** A batch as it is asked for. */
export type BatchInput = z.input<typeof NewBatch>;

/** A batch to be made: either `count` codes, or `codes`. */
export type NewBatch = z.output<typeof NewBatch>;

/** @throws PlatformError BAD_USER_INPUT */
export const checkNewBatch = (input: BatchInput): NewBatch => checkInput(NewBatch, input);

/**
 * What is asked for with an idempotency key, so that two wishes can be told apart without keeping either: hashed under
 * a key, for imported codes stand in it. In which order they came does not matter.
 *
 * @param codes the imported ones in normal form
 */
export function macsOfWish(
  { secrets }: Pick<Services, 'secrets'>,
  { idempotencyKey, planId, codes: _typed, ...wish }: NewBatch,
  codes: readonly string[] | null,
): Buffer[] {
  const sorted = Object.entries({ ...wish, count: wish.count ?? null }).toSorted(([one], [other]) =>
    one < other ? -1 : 1,
  );
  const wanted = JSON.stringify([planId.toLowerCase(), sorted, codes?.toSorted() ?? null]);
  return secrets.macs('redemption-batch', wanted);
}
