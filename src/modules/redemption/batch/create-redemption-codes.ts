import type { RedemptionBatch } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import { type Transaction, violatedConstraint } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { RedemptionError } from '../../kernel/redemption.errors.ts';
import type { SealedCode } from '../code/code-vault.ts';
import { makeWay } from '../code/release-deleted-codes.ts';
import { normalizeCode } from '../code/redemption-code.ts';
import { fillBatchJob } from './fill-batch.job.ts';
import { insertCodes } from './insert-codes.ts';
import { type BatchInput, checkNewBatch, macsOfWish, type NewBatch } from './new-batch.ts';
import { drawCodes, sealCodes } from './generate-codes.ts';

/** So many are there when the answer comes. */
const CODES_AT_ONCE = 10_000;

type CreateServices = Pick<Services, 'db' | 'jobs' | 'log' | 'secrets'>;

/**
 * Makes a batch of codes for one plan, audited. Its first 10,000 codes are there afterwards, imported ones all of them;
 * the others are made by a job, and found by the workers where the job is lost. The same idempotency key gives the
 * same batch.
 *
 * @param actorId the admin; null when the service itself makes them
 * @throws PlatformError BAD_USER_INPUT, also for an imported code that is there already; NOT_FOUND for the plan
 * @throws RedemptionError IDEMPOTENCY_KEY_REUSED when the key was used for something else
 */
export async function createRedemptionCodes(
  services: CreateServices,
  { actorId, input }: { actorId: string | null; input: BatchInput },
): Promise<RedemptionBatch> {
  const batch = checkNewBatch(input);
  const imported = batch.codes ? importedCodes(batch.codes) : null;
  const macs = macsOfWish(services, batch, imported);
  const known = await findByKey(services, { key: batch.idempotencyKey, macs });
  if (known) return known;
  const codes = imported
    ? await sealCodes(services, imported)
    : await drawCodes(services, Math.min(batch.count ?? 0, CODES_AT_ONCE));
  const writing: Writing = { actorId, batch, imported, codes, requestMac: macs[0] };
  const made = await services.db
    .$transaction((tx) => writeBatch(services, tx, writing), { timeout: 15_000 })
    .catch(async (error: unknown) => {
      if (violatedConstraint(error) !== 'redemption_batches_idempotency_key_key') throw error;
      return findByKey(services, { key: batch.idempotencyKey, macs });
    });
  if (!made) throw new Error('a batch is missing whose key was just taken');
  if (made.created < made.count) await queueFilling(services, made.id);
  return made;
}

function importedCodes(typed: readonly string[]): string[] {
  const codes = typed.map((code, place) => normalizeCode(code, `input.codes.${place}`));
  const seen = new Set<string>();
  for (const [place, code] of codes.entries()) {
    if (seen.has(code)) throw badInput(`codes.${place}`, 'stands in the list twice');
    seen.add(code);
  }
  return codes;
}

function badInput(name: string, problem: string) {
  const field = `input.${name}`;
  return new PlatformError('BAD_USER_INPUT', { field, message: `${field}: ${problem}` });
}

/** The batch of an earlier call with the same key, in whatever state it is by now; null when there was none. */
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

interface Writing {
  actorId: string | null;
  batch: NewBatch;
  /** In normal form. */
  imported: readonly string[] | null;
  codes: readonly SealedCode[];
  requestMac: Buffer | undefined;
}

async function writeBatch(
  services: CreateServices,
  tx: Transaction,
  { actorId, batch, imported, codes, requestMac }: Writing,
): Promise<RedemptionBatch> {
  const { planId, codes: _typed, count, ...fields } = batch;
  const plan = await tx.plan.findUnique({ where: { id: checkId(planId, 'input.planId'), deletedAt: null } });
  if (!plan) throw new PlatformError('NOT_FOUND', { field: 'input.planId' });
  if (fields.expiresAt && fields.expiresAt <= (await databaseNow(tx))) {
    throw badInput('expiresAt', 'is in the past');
  }
  if (imported && !(await makeWay(services, tx, imported))) throw takenCode();
  const made = await tx.redemptionBatch.create({
    data: {
      ...fields,
      planId: plan.id,
      count: count ?? codes.length,
      requestMac: fields.idempotencyKey !== null && requestMac ? Uint8Array.from(requestMac) : null,
      createdById: actorId,
    },
  });
  const created = await insertCodes(tx, made, codes);
  if (imported && created < imported.length) throw takenCode();
  await recordAudit(tx, {
    action: 'createRedemptionCodes',
    actorId,
    targetId: made.id,
    after: auditedBatch(made),
  });
  return { ...made, created };
}

const takenCode = () => badInput('codes', 'one of these codes is there already');

const auditedBatch = ({ planId, unitTime, quantity, maxUses, expiresAt, count, label }: RedemptionBatch) => ({
  ...{ planId, unitTime, quantity, maxUses, count, label },
  expiresAt: expiresAt?.toISOString() ?? null,
});

/** A job that cannot be added is made good by the sweep over unfinished batches. */
async function queueFilling({ jobs, log }: CreateServices, batchId: string): Promise<void> {
  await jobs.add(fillBatchJob, { batchId }).catch((err: unknown) => {
    log.warn({ err, batchId }, 'the rest of a batch could not be queued; a worker will find it');
  });
}
