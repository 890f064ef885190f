import { findPlan } from '../modules/catalog/plan/find-plan.ts';
import { createRedemptionCodes } from '../modules/redemption/batch/create-redemption-codes.ts';
import { lookupsOf, openCode } from '../modules/redemption/code/code-vault.ts';
import { readBatchCodes } from '../modules/redemption/code/read-batch-codes.ts';
import { displayCode, normalizeCode } from '../modules/redemption/code/redemption-code.ts';
import { setRedemptionCodesEnabled } from '../modules/redemption/code/set-redemption-codes-enabled.ts';
import { PlatformError } from '../platform/errors.ts';
import { type Command, requiredOption, type Tools, UsageError, type Values, wholeNumber } from './command.ts';

type NewBatch = Parameters<typeof createRedemptionCodes>[1]['input'];

export const codesCreate: Command = {
  needs: 'services',
  name: 'codes create',
  summary: 'creates a batch of redemption codes and prints them, one per line',
  options: {
    plan: { type: 'string' },
    unit: { type: 'string' },
    quantity: { type: 'string' },
    count: { type: 'string' },
    'max-uses': { type: 'string' },
    'expires-at': { type: 'string' },
    label: { type: 'string' },
    note: { type: 'string' },
  },
  help: `  --plan <id or name>   plan that the codes grant
  --unit <unit>         unit of time: DAY, MONTH, QUARTER, HALF_YEAR or YEAR
  --quantity <n>        units of time that each code grants (default: 1)
  --count <n>           number of codes (default: 1)
  --max-uses <n>        number of users who can redeem each code, or "unlimited" (default: 1)
  --expires-at <time>   time at which the codes expire, as 2026-12-31T23:00:00Z (default: never)
  --label <text>        name of the batch
  --note <text>         note for other admins`,
  run: async ({ services, show, say }, values) => {
    const input = {
      ...readBatch(values),
      planId: (await findPlan(services, requiredOption(values, 'plan'))).id,
    };
    const batch = await createRedemptionCodes(services, { actorId: null, input });
    if (batch.created < batch.count) {
      say(
        `Batch ${batch.id}: a worker is creating ${batch.count} codes. Read them from redemptionCodes when it is ready.`,
      );
      return;
    }
    say(`Batch ${batch.id}: ${batch.count} codes.`);
    for await (const codes of readBatchCodes(services, batch.id)) {
      for (const code of codes) show(displayCode(openCode(services, code)));
    }
  },
};

export const codesDisable: Command = {
  needs: 'services',
  name: 'codes disable',
  summary: 'disables a batch or a code that has leaked; orders that were accepted are still activated',
  options: { batch: { type: 'string' }, code: { type: 'string' } },
  help: `  --batch <id>    all codes of a batch
  --code <code>   one code`,
  run: async ({ services, show }, { batch, code }) => {
    if ((batch === undefined) === (code === undefined))
      throw new UsageError('Give either --batch or --code.');
    const selection =
      code === undefined ? { batchId: String(batch) } : { ids: await findCode(services, String(code)) };
    const changed = await setRedemptionCodesEnabled(services, {
      ...selection,
      actorId: null,
      enabled: false,
    });
    show(changed === 0 ? 'Nothing to disable: it was disabled before.' : `Codes disabled: ${changed}.`);
  },
};

/** @throws PlatformError NOT_FOUND */
async function findCode(services: Tools['services'], typed: string): Promise<string[]> {
  const lookups = lookupsOf(services, normalizeCode(typed, 'code')).map((hex) => Buffer.from(hex, 'hex'));
  const found = await services.db.redemptionCode.findMany({
    where: { lookup: { in: lookups }, deletedAt: null },
  });
  if (found.length > 0) return found.map(({ id }) => id);
  throw new PlatformError('NOT_FOUND', { message: 'There is no such code.' });
}

function readBatch(values: Values): Omit<NewBatch, 'planId'> {
  return {
    // createRedemptionCodes validates the unit.
    unitTime: requiredOption(values, 'unit').toUpperCase() as NewBatch['unitTime'],
    quantity: wholeNumber(values, 'quantity') ?? 1,
    count: wholeNumber(values, 'count') ?? 1,
    maxUses: values['max-uses'] === 'unlimited' ? null : (wholeNumber(values, 'max-uses') ?? 1),
    expiresAt: time(values),
    label: text(values.label),
    note: text(values.note),
  };
}

const text = (value: Values[string]) => (typeof value === 'string' ? value : null);

function time({ 'expires-at': value }: Values): Date | null {
  if (typeof value !== 'string') return null;
  const date = new Date(value);
  if (!Number.isNaN(date.getTime())) return date;
  throw new UsageError(`--expires-at must be a time like 2026-12-31T23:00:00Z, not ${value}.`);
}
