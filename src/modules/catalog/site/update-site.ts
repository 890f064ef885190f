import type { z } from 'zod';
import type { Prisma, SiteSettings } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { checkVersion, given } from '../../../platform/database/edit.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId, checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { lockPlan } from '../plan/lock-plan.ts';
import { lockSiteSettings } from './read-site-settings.ts';
import { SiteChange } from './site-change.ts';

/**
 * Changes the settings of the site, audited. What is absent stays, null clears. Every instance obeys from the commit on.
 *
 * @throws PlatformError BAD_USER_INPUT, also for a trial that is not whole or whose plan is withdrawn; NOT_FOUND for its
 *   plan; EDIT_CONFLICT
 */
export function updateSite(
  { db }: Pick<Services, 'db'>,
  { actorId, input }: { actorId: string; input: z.input<typeof SiteChange> },
): Promise<SiteSettings> {
  const { version, ...fields } = checkInput(SiteChange, input);
  const change = given(fields);
  return db.$transaction(async (tx) => {
    const before = await lockSiteSettings(tx);
    checkVersion(before, version);
    checkTrial({ ...before, ...change });
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
}

type Trial = {
  [Field in 'trialPlanId' | 'trialUnitTime' | 'trialQuantity']: SiteSettings[Field] | undefined;
};

function checkTrial({ trialPlanId, trialUnitTime, trialQuantity }: Trial): void {
  const parts = { trialPlanId, trialUnitTime, trialQuantity };
  const missing = Object.entries(parts).filter(([, value]) => value == null);
  if (missing.length === 0 || missing.length === 3) return;
  const field = `input.${missing[0]?.[0]}`;
  throw new PlatformError('BAD_USER_INPUT', {
    field,
    message: `${field}: is missing. A trial has trialPlanId, trialUnitTime and trialQuantity; null for all three: none`,
  });
}

/** Gives the id as the plan has it. Nobody deletes or withdraws the plan meanwhile. */
async function checkTrialPlan(tx: Transaction, planId: string): Promise<string> {
  const field = 'input.trialPlanId';
  const plan = await lockPlan(tx, checkId(planId, field), { field });
  if (plan.status !== 'WITHDRAWN') return plan.id;
  throw new PlatformError('BAD_USER_INPUT', {
    field,
    message: `${field}: the plan is withdrawn, nobody could have it`,
  });
}

function pick(settings: SiteSettings, fields: readonly string[]): Prisma.InputJsonObject {
  return Object.fromEntries(Object.entries(settings).filter(([field]) => fields.includes(field)));
}
