import { z } from 'zod';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId, checkInput } from '../../../platform/input.ts';

const MAX_CODES = 1_000;

/** Codes to change together: some by their ids, or a whole batch. */
export type CodeSelection = { ids: string[]; batchId?: never } | { batchId: string; ids?: never };

const Ids = z.array(z.string()).min(1, 'must not be empty').max(MAX_CODES, `must have at most ${MAX_CODES}`);

/**
 * @throws PlatformError BAD_USER_INPUT unless either `batchId` or 1-1,000 `ids` are given;
 *   NOT_FOUND for malformed ids
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
      message: 'ids: give either ids or batchId',
    });
  }
  if (batchId != null) return { batchId: checkId(batchId, 'batchId') };
  return { ids: [...new Set(checkInput(Ids, ids, 'ids').map((id) => checkId(id, 'ids')))] };
}
