import { findPlan } from '../modules/catalog/plan/find-plan.ts';
import { createRedemptionCodes } from '../modules/redemption/batch/create-redemption-codes.ts';
import { openCode } from '../modules/redemption/code/code-vault.ts';
import { readBatchCodes } from '../modules/redemption/code/read-batch-codes.ts';
import { displayCode } from '../modules/redemption/code/redemption-code.ts';
import { type Command, needed, UsageError, type Values, wholeNumber } from './command.ts';

type NewBatch = Parameters<typeof createRedemptionCodes>[1]['input'];

export const codesCreate: Command = {
  name: 'codes create',
  summary: 'makes a batch of redemption codes, and writes them one to a line',
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
  help: `  --plan <id or name>   the plan that the codes grant
  --unit <unit>         DAY, MONTH, QUARTER, HALF_YEAR or YEAR
  --quantity <n>        how many units each code grants; 1 when not given
  --count <n>           how many codes; 1 when not given
  --max-uses <n>        how many users may redeem each code, or "unlimited"; 1 when not given
  --expires-at <time>   until when they redeem, as 2026-12-31T23:00:00Z; for ever when not given
  --label <text>        what the batch is called
  --note <text>         a note`,
  run: async ({ services, show, say }, values) => {
    const input = { ...readBatch(values), planId: (await findPlan(services, needed(values, 'plan'))).id };
    const batch = await createRedemptionCodes(services, { actorId: null, input });
    if (batch.created < batch.count) {
      say(`Batch ${batch.id}: a worker makes its ${batch.count} codes. They are in redemptionCodes then.`);
      return;
    }
    say(`Batch ${batch.id}: ${batch.count} codes.`);
    for await (const codes of readBatchCodes(services, batch.id)) {
      for (const code of codes) show(displayCode(openCode(services, code)));
    }
  },
};

function readBatch(values: Values): Omit<NewBatch, 'planId'> {
  return {
    // The verb says which there are.
    unitTime: needed(values, 'unit').toUpperCase() as NewBatch['unitTime'],
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
