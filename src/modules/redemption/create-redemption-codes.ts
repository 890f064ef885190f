import { uuidv7 } from 'uuidv7';
import { z } from 'zod';
import { type RedemptionBatch, UnitTime } from '../../generated/prisma/client.ts';
import { databaseNow } from '../../platform/clock.ts';
import { type Transaction, violatedConstraint } from '../../platform/database.ts';
import { PlatformError } from '../../platform/errors.ts';
import { checkId, checkInput } from '../../platform/input.ts';
import { toJson } from '../../platform/rows.ts';
import type { Services } from '../../platform/services.ts';
import { recordAudit } from '../audit/record-audit.ts';
import { type SealedCode, sealCode } from './code-vault.ts';
import { normalizeCode, randomCode } from './redemption-code.ts';

/** So many are there when the answer comes. */
const CODES_AT_ONCE = 10_000;

const NewBatch = z
  .object({
    planId: z.string(),
    unitTime: z.enum(UnitTime),
    quantity: z.int().min(1, 'must be at least 1').max(36_500, 'must be at most 36500'),
    maxUses: z
      .int()
      .min(1, 'must be at least 1')
      .nullish()
      .transform((uses) => uses ?? null),
    count: z
      .int()
      .min(1, 'must be at least 1')
      .max(CODES_AT_ONCE, `must be at most ${CODES_AT_ONCE}`)
      .nullish(),
    codes: z
      .array(z.string())
      .min(1, 'must not be empty')
      .max(CODES_AT_ONCE, `must have at most ${CODES_AT_ONCE} entries`)
      .nullish(),
    expiresAt: z
      .date()
      .nullish()
      .transform((time) => time ?? null),
    label: z.string().max(100, 'must have at most 100 characters').nullish(),
    note: z.string().max(1_000, 'must have at most 1000 characters').nullish(),
    idempotencyKey: z
      .string()
      .min(1, 'must not be empty')
      .max(64, 'must have at most 64 characters')
      .nullish(),
  })
  .refine(({ count, codes }) => (count == null) !== (codes == null), {
    path: ['count'],
    message: 'give either count, or codes to import',
  });

type NewBatch = z.output<typeof NewBatch>;

/**
 * Makes a batch of codes for one plan, audited; all of them are there afterwards. The same idempotency key gives the
 * same batch.
 *
 * @param actorId the admin; null when the service itself makes them
 * @throws PlatformError BAD_USER_INPUT, also for an imported code that is there already; NOT_FOUND for the plan
 */
export async function createRedemptionCodes(
  services: Pick<Services, 'db' | 'secrets'>,
  { actorId, input }: { actorId: string | null; input: z.input<typeof NewBatch> },
): Promise<RedemptionBatch> {
  const batch = checkInput(NewBatch, input);
  const codes = batch.codes ? importedCodes(batch.codes) : newCodes(batch.count ?? 0);
  const sealed = codes.map((code) => sealCode(services, code));
  try {
    return await services.db.$transaction((tx) => writeBatch(tx, { actorId, batch, sealed }), {
      timeout: 15_000,
    });
  } catch (error) {
    return findAfterRefusal(services, batch, error);
  }
}

function importedCodes(typed: readonly string[]): string[] {
  const codes = typed.map((code, place) => normalizeCode(code, `input.codes.${place}`));
  const seen = new Set<string>();
  for (const [place, code] of codes.entries()) {
    if (seen.has(code)) throw refusedCode(place, 'stands in the list twice');
    seen.add(code);
  }
  return codes;
}

function newCodes(count: number): string[] {
  const codes = new Set<string>();
  while (codes.size < count) codes.add(randomCode());
  return [...codes];
}

const refusedCode = (place: number, problem: string) => {
  const field = `input.codes.${place}`;
  return new PlatformError('BAD_USER_INPUT', { field, message: `${field}: ${problem}` });
};

interface Writing {
  actorId: string | null;
  batch: NewBatch;
  sealed: readonly SealedCode[];
}

async function writeBatch(tx: Transaction, { actorId, batch, sealed }: Writing): Promise<RedemptionBatch> {
  const { planId, codes, count, label, note, idempotencyKey, ...grant } = batch;
  const plan = await tx.plan.findUnique({ where: { id: checkId(planId, 'input.planId'), deletedAt: null } });
  if (!plan) throw new PlatformError('NOT_FOUND', { field: 'input.planId' });
  if (grant.expiresAt && grant.expiresAt <= (await databaseNow(tx))) {
    throw new PlatformError('BAD_USER_INPUT', {
      field: 'input.expiresAt',
      message: 'input.expiresAt: is in the past',
    });
  }
  const made = await tx.redemptionBatch.create({
    data: {
      ...grant,
      planId: plan.id,
      count: sealed.length,
      created: sealed.length,
      label: label ?? null,
      note: note ?? null,
      idempotencyKey: idempotencyKey ?? null,
      createdById: actorId,
    },
  });
  await insertCodes(tx, made, sealed);
  const after = {
    ...grant,
    expiresAt: grant.expiresAt?.toISOString() ?? null,
    planId: plan.id,
    count: sealed.length,
  };
  await recordAudit(tx, { action: 'createRedemptionCodes', actorId, targetId: made.id, after });
  return made;
}

async function insertCodes(
  tx: Transaction,
  { id: batchId, maxUses, expiresAt }: RedemptionBatch,
  sealed: readonly SealedCode[],
): Promise<void> {
  const rows = sealed.map(({ lookup, ciphertext, hint }) => ({
    id: uuidv7(),
    lookup: lookup.toString('hex'),
    ciphertext: ciphertext.toString('hex'),
    hint,
  }));
  await tx.$executeRaw`
    INSERT INTO redemption_codes (id, batch_id, lookup, ciphertext, hint, max_uses, expires_at)
    SELECT id, ${batchId}::uuid, decode(lookup, 'hex'), decode(ciphertext, 'hex'), hint, ${maxUses}::int,
      ${expiresAt}::timestamptz
    FROM json_to_recordset(${toJson(rows)}::json) AS c(id uuid, lookup text, ciphertext text, hint text)`;
}

/** A key used before gives the batch that it made; a code that is there already is a fault of the import. */
async function findAfterRefusal(
  { db }: Pick<Services, 'db'>,
  { idempotencyKey }: NewBatch,
  error: unknown,
): Promise<RedemptionBatch> {
  const constraint = violatedConstraint(error);
  if (constraint === 'redemption_codes_lookup_key') {
    const message = 'input.codes: one of these codes is there already';
    throw new PlatformError('BAD_USER_INPUT', { field: 'input.codes', message });
  }
  if (constraint !== 'redemption_batches_idempotency_key_key' || idempotencyKey == null) throw error;
  return db.redemptionBatch.findUniqueOrThrow({ where: { idempotencyKey } });
}
