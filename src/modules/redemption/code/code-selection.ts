import { z } from 'zod';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId, checkInput } from '../../../platform/input.ts';

const MOST_CODES = 1_000;

/** Codes that are to be changed together: some by their ids, or all of a batch. */
export type CodeSelection = { ids: string[]; batchId?: never } | { batchId: string; ids?: never };

const Ids = z
  .array(z.string())
  .min(1, 'must not be empty')
  .max(MOST_CODES, `must have at most ${MOST_CODES}`);

/**
 * @throws PlatformError BAD_USER_INPUT unless there is either `ids`, 1-1,000 of them, or `batchId`; NOT_FOUND for what
 *   is no id
 */
export function checkSelection({
  ids,
  batchId,
}: {
  ids?: readonly string[] | null;
  batchId?: string | null;
}): CodeSelection {
  if ((ids == null) === (batchId == null)) {
    throw new PlatformError('BAD_USER_INPUT', {
      field: 'ids',
      message: 'ids: give either ids, or a batchId',
    });
  }
  if (batchId != null) return { batchId: checkId(batchId, 'batchId') };
  return { ids: [...new Set(checkInput(Ids, ids, 'ids').map((id) => checkId(id, 'ids')))] };
}
