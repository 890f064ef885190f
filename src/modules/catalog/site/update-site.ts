import type { z } from 'zod';
import type { Prisma, SiteSettings, UnitTime } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { checkVersion, given } from '../../../platform/database/edit.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId, checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { quantityRefusal } from '../../kernel/unit-time.ts';
import { lockPlan } from '../plan/lock-plan.ts';
import { lockSiteSettings } from './read-site-settings.ts';
import { SiteChange } from './site-change.ts';

/**
 * Updates the settings of the site. Absent fields keep their value; null clears optional ones. The
 * settings apply on every instance as soon as it learns of them, and within a second.
 *
 * @throws PlatformError BAD_USER_INPUT, also if the trial is incomplete or its plan is withdrawn;
 *   NOT_FOUND if the trial plan does not exist; EDIT_CONFLICT if the settings changed since
 *   `version`
 */
export async function updateSite(
  { db, pubSub }: Pick<Services, 'db' | 'pubSub'>,
  { actorId, input }: { actorId: string; input: z.input<typeof SiteChange> },
): Promise<SiteSettings> {
  const { version, ...fields } = checkInput(SiteChange, input);
  const change = given(fields);
  const updated = await db.$transaction(async (tx) => {
    const before = await lockSiteSettings(tx);
    checkVersion(before, version);
    if (TRIAL_FIELDS.some((name) => name in change)) checkTrial({ ...before, ...change });
    if (change.trialPlanId) change.trialPlanId = await checkTrialPlan(tx, change.trialPlanId);
    const after = await tx.siteSettings.update({
      where: { id: before.id },
      data: { ...change, version: { increment: 1 } },
    });
    const changed = Object.keys(change);
    await recordAudit(tx, {
      action: 'updateSite',
      actorId,
      before: pick(before, changed),
      after: pick(after, changed),
    });
    return after;
  });
  announce({ pubSub }, { sites: ['site'] });
  return updated;
}

/** An update of other settings must not fail for a trial that earlier versions accepted. */
const TRIAL_FIELDS = ['trialPlanId', 'trialUnitTime', 'trialQuantity'] as const;

type Trial = {
  [Field in 'trialPlanId' | 'trialUnitTime' | 'trialQuantity']: SiteSettings[Field] | undefined;
};

function checkTrial({ trialPlanId, trialUnitTime, trialQuantity }: Trial): void {
  const parts = { trialPlanId, trialUnitTime, trialQuantity };
  const missing = Object.entries(parts).filter(([, value]) => value == null);
  if (trialUnitTime && trialQuantity) checkQuantity(trialUnitTime, trialQuantity);
  if (missing.length === 0 || missing.length === 3) return;
  const field = `input.${missing[0]?.[0]}`;
  throw new PlatformError('BAD_USER_INPUT', {
    field,
    message: `${field}: is missing. Set trialPlanId, trialUnitTime and trialQuantity together, or all three to null`,
  });
}

function checkQuantity(unitTime: UnitTime, quantity: number): void {
  const refusal = quantityRefusal(unitTime, quantity);
  if (!refusal) return;
  const field = 'input.trialQuantity';
  throw new PlatformError('BAD_USER_INPUT', { field, message: `${field}: ${refusal}` });
}

/**
 * Locks the plan, so that it cannot be deleted or withdrawn until the transaction ends.
 *
 * @returns the id in its canonical form
 */
async function checkTrialPlan(tx: Transaction, planId: string): Promise<string> {
  const field = 'input.trialPlanId';
  const plan = await lockPlan(tx, checkId(planId, field), { field });
  if (plan.status !== 'WITHDRAWN') return plan.id;
  throw new PlatformError('BAD_USER_INPUT', {
    field,
    message: `${field}: this plan is withdrawn`,
  });
}

function pick(settings: SiteSettings, fields: readonly string[]): Prisma.InputJsonObject {
  return Object.fromEntries(Object.entries(settings).filter(([field]) => fields.includes(field)));
}
