import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { isOutage } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { type BatchTotals, readBatchTotals } from '../code/count-codes.ts';
import { type CsvWish, makeCsvTokens } from './csv-link.ts';

/** Gathers what a page of batches asks for each of them, so that it is one query. */
export interface BatchReads {
  /** By the ids of batches. */
  batchTotals: Coalescer<string, BatchTotals>;
  csvTokens: Coalescer<CsvWish, string>;
}

/** As many as a page has. */
const READS_AT_ONCE = 100;

export function createBatchReads(services: Pick<Services, 'db' | 'secrets'>): BatchReads {
  const limits = {
    maxSize: READS_AT_ONCE,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
    failTogether: isOutage,
  };
  return {
    batchTotals: createCoalescer({ ...limits, run: (ids: string[]) => readBatchTotals(services.db, ids) }),
    csvTokens: createCoalescer({ ...limits, run: (wishes: CsvWish[]) => makeCsvTokens(services, wishes) }),
  };
}
