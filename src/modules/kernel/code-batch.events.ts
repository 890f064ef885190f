/** Codes were added to a batch, or it was switched on or off, or deleted; the id is the batch's. */
export const BATCH_CHANGED = 'redemption-batch-changed';
