import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { isOutage } from '../../../platform/database/database.ts';
import { createReadCoalescer, type ReadCoalescer } from '../../../platform/database/read-coalescer.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { required } from '../../../platform/required.ts';
import type { Services } from '../../../platform/services.ts';
import { type BatchTotalsRow, readBatchTotals } from '../code/count-codes.ts';
import { type CsvLink, makeCsvTokens } from './csv-link.ts';

/** Fields of a batch that a page of batches reads in one statement. */
export interface BatchReads {
  /** By batch id. */
  readBatchTotals: ReadCoalescer<BatchTotalsRow>;
  /** Creates the token of a link. */
  csvTokens: Coalescer<CsvLink, string>;
}

/** The largest page. */
const MAX_SIZE = 100;

export function createBatchReads(services: Pick<Services, 'db' | 'secrets'>): BatchReads {
  return {
    readBatchTotals: createReadCoalescer((ids) => readBatchTotals(services.db, ids), { maxSize: MAX_SIZE }),
    csvTokens: createCoalescer({
      maxSize: MAX_SIZE,
      overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
      failTogether: isOutage,
      run: (links: CsvLink[]) => makeCsvTokens(services, links),
    }),
  };
}

export async function getBatchTotals(
  { readBatchTotals }: Pick<BatchReads, 'readBatchTotals'>,
  batchId: string,
): Promise<BatchTotalsRow> {
  return required(await readBatchTotals(batchId), 'totals of the batch');
}
