import type { RedemptionBatch } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import { type Transaction, violatedConstraint } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId, MAX_FIELDS } from '../../../platform/input.ts';
import { holdSecretKey } from '../../../platform/keys/secret-key.ts';
import { required } from '../../../platform/required.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { RedemptionError } from '../../kernel/redemption.errors.ts';
import type { SealedCode } from '../code/code-vault.ts';
import { guessableCodes } from '../code/guessable-codes.ts';
import { normalizeCode } from '../code/redemption-code.ts';
import { placesOfTakenCodes, releaseDeletedCodes } from '../code/release-deleted-codes.ts';
import { type BatchInput, checkNewBatch, type NewBatch, requestMacsOf } from './batch-input.ts';
import { fillBatchJob } from './fill-batch.job.ts';
import { generateCodes, sealCodes } from './generate-codes.ts';
import { insertCodes } from './insert-codes.ts';

/** Codes that are generated before the call returns. */
const CODES_IN_CALL = 10_000;

type CreateServices = Pick<Services, 'db' | 'jobs' | 'log' | 'secrets'>;

/**
 * Creates a batch of codes for one plan, audited. Imported codes and the first 10,000 generated
 * ones exist when it returns; a job generates the rest, and workers resume the batch if the job is
 * lost.
 *
 * Idempotent: calls with the same idempotency key return the same batch.
 *
 * @param actorId the admin; null if the call comes from the command line
 * @throws PlatformError BAD_USER_INPUT, also if an imported code already exists, or if it can be
 *   guessed and `allowGuessable` is not set; NOT_FOUND for the plan
 * @throws RedemptionError IDEMPOTENCY_KEY_REUSED if the key was used with other input
 */
export async function createRedemptionCodes(
  services: CreateServices,
  { actorId, input }: { actorId: string | null; input: BatchInput },
): Promise<RedemptionBatch> {
  const batch = checkNewBatch(input);
  const imported = batch.codes ? importedCodes(batch.codes) : null;
  const macs = requestMacsOf(services, batch, imported);
  const known = await findByKey(services, { key: batch.idempotencyKey, macs });
  if (known) return known;
  const guessable = guessableCodes(imported ?? []);
  if (!batch.allowGuessable) refuseGuessable(guessable);
  const codes = imported
    ? await sealCodes(services, imported)
    : await generateCodes(services, Math.min(batch.count ?? 0, CODES_IN_CALL));
  const draft: Draft = { actorId, batch, imported, codes, guessable: guessable.length, requestMac: macs[0] };
  const created = await services.db
    .$transaction((tx) => writeBatch(services, tx, draft), { timeout: 15_000 })
    .catch(async (error: unknown) => {
      if (violatedConstraint(error) !== 'redemption_batches_idempotency_key_key') throw error;
      return findByKey(services, { key: batch.idempotencyKey, macs });
    });
  const row = required(created, 'batch with the conflicting idempotency key');
  if (row.created < row.count) await enqueueFill(services, row.id);
  return row;
}

function importedCodes(typed: readonly string[]): string[] {
  const codes = typed.map((code, place) => normalizeCode(code, `input.codes.${place}`));
  const firstPlaces = new Map(codes.map((code, place) => [code, place] as const).toReversed());
  const repeated = codes.flatMap((code, place) => (firstPlaces.get(code) === place ? [] : [place]));
  throwIfAny(repeated, 'occurs twice in the list');
  return codes;
}

const refuseGuessable = (places: readonly number[]): void =>
  throwIfAny(places, 'can be guessed. Use at least 10 random letters and digits, or set allowGuessable');

/** @throws PlatformError BAD_USER_INPUT naming the imported codes at these places, the first 20 */
function throwIfAny(places: readonly number[], problem: string): void {
  const fields = places.slice(0, MAX_FIELDS).map((place) => {
    const path = `input.codes.${place}`;
    return { path, message: `${path}: ${problem}` };
  });
  const [first] = fields;
  if (!first) return;
  const more = places.length > 1 ? ` (${places.length} codes in all)` : '';
  const message = `${first.message}${more}`;
  throw new PlatformError('BAD_USER_INPUT', { field: first.path, fields, message });
}

function badInput(name: string, problem: string) {
  const field = `input.${name}`;
  return new PlatformError('BAD_USER_INPUT', { field, message: `${field}: ${problem}` });
}

/**
 * The batch of an earlier call with the same key, in any state; null if no call used the key.
 *
 * @throws RedemptionError IDEMPOTENCY_KEY_REUSED if that call had other input
 */
async function findByKey(
  { db }: Pick<Services, 'db'>,
  { key: idempotencyKey, macs }: { key: string | null; macs: readonly Buffer[] },
): Promise<RedemptionBatch | null> {
  if (idempotencyKey === null) return null;
  const known = await db.redemptionBatch.findUnique({ where: { idempotencyKey } });
  const requestMac = known?.requestMac;
  if (requestMac && !macs.some((mac) => mac.equals(requestMac))) {
    const message = 'This idempotency key was used for another batch.';
    throw new RedemptionError('IDEMPOTENCY_KEY_REUSED', { field: 'input.idempotencyKey', message });
  }
  return known;
}

interface Draft {
  actorId: string | null;
  batch: NewBatch;
  /** Codes to import, in normal form; null if codes are generated. */
  imported: readonly string[] | null;
  codes: readonly SealedCode[];
  /** Number of imported codes that can be guessed. */
  guessable: number;
  requestMac: Buffer | undefined;
}

async function writeBatch(
  services: CreateServices,
  tx: Transaction,
  { actorId, batch, imported, codes, guessable, requestMac }: Draft,
): Promise<RedemptionBatch> {
  const { planId, codes: _typed, allowGuessable: _permission, count, ...fields } = batch;
  const plan = await tx.plan.findUnique({ where: { id: checkId(planId, 'input.planId'), deletedAt: null } });
  if (!plan) throw new PlatformError('NOT_FOUND', { field: 'input.planId' });
  if (fields.expiresAt && fields.expiresAt <= (await databaseNow(tx))) {
    throw badInput('expiresAt', 'must be in the future');
  }
  const sealed = imported ? await prepareImport(services, tx, { imported, codes }) : codes;
  const row = await tx.redemptionBatch.create({
    data: {
      ...fields,
      planId: plan.id,
      count: count ?? sealed.length,
      requestMac: fields.idempotencyKey !== null && requestMac ? Uint8Array.from(requestMac) : null,
      createdById: actorId,
    },
  });
  const created = await insertCodes(tx, row, sealed);
  // Another import of the same codes was committed meanwhile.
  if (imported && created < imported.length)
    await refuseTaken(services, tx, { codes: imported, exceptBatchId: row.id });
  await recordAudit(tx, {
    action: 'createRedemptionCodes',
    actorId,
    targetId: row.id,
    after: auditedBatch(row, guessable),
  });
  return { ...row, created };
}

/** @returns the codes, sealed under the secret key that all processes use: others do not collide */
async function prepareImport(
  services: CreateServices,
  tx: Transaction,
  { imported, codes }: { imported: readonly string[]; codes: readonly SealedCode[] },
): Promise<readonly SealedCode[]> {
  const isOtherKey = await holdSecretKey(tx, services.secrets);
  await releaseDeletedCodes(services, tx, imported);
  await refuseTaken(services, tx, { codes: imported, exceptBatchId: null });
  return isOtherKey ? sealCodes(services, imported) : codes;
}

async function refuseTaken(
  services: CreateServices,
  tx: Transaction,
  where: Parameters<typeof placesOfTakenCodes>[2],
): Promise<void> {
  throwIfAny(await placesOfTakenCodes(services, tx, where), 'exists already');
}

const auditedBatch = (
  { planId, unitTime, quantity, maxUses, expiresAt, count, label }: RedemptionBatch,
  guessable: number,
) => ({
  ...{ planId, unitTime, quantity, maxUses, count, label },
  expiresAt: expiresAt?.toISOString() ?? null,
  ...(guessable > 0 && { guessableCodes: guessable }),
});

/** A failure is only logged: `resumeBatch` finds batches without a job. */
async function enqueueFill({ jobs, log }: CreateServices, batchId: string): Promise<void> {
  await jobs.add(fillBatchJob, { batchId }).catch((err: unknown) => {
    log.warn({ err, batchId }, 'failed to enqueue fill-batch job, leaving the batch to the resume sweep');
  });
}
