import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { changeUses } from '../../../../src/modules/redemption/code/code-uses.ts';
import { newCode } from '../../../support/codes.ts';
import { type Redeeming, startRedeeming } from '../../../support/redeeming.ts';

let r: Redeeming;
beforeAll(async () => {
  r = await startRedeeming();
});
afterAll(() => r.close());

describe('changeUses', () => {
  it('adds up the changes of each code, separately for each counter', async () => {
    const one = await newCode(r.services, { code: { maxUses: 5, usedCount: 1, reservedCount: 2 } });
    const two = await newCode(r.services, { code: { maxUses: null } });

    await changeUses(r.services.db, [
      { codeId: one.id, reserved: -1, used: 1 },
      { codeId: two.id, reserved: 7, used: 0 },
      { codeId: one.id, reserved: 2, used: 0 },
    ]);

    expect(await r.uses(one.id)).toEqual({ usedCount: 2, reservedCount: 3 });
    expect(await r.uses(two.id)).toEqual({ usedCount: 0, reservedCount: 7 });
  });

  it('throws instead of exceeding maxUses', async () => {
    const { id } = await newCode(r.services, { code: { maxUses: 5, usedCount: 1, reservedCount: 3 } });

    const change = changeUses(r.services.db, [
      { codeId: id, reserved: 1, used: 0 },
      { codeId: id, reserved: 1, used: 0 },
    ]);

    await expect(change).rejects.toThrow('fewer uses left than were decided on');
    expect(await r.uses(id)).toEqual({ usedCount: 1, reservedCount: 3 });
  });
});
