import { afterAll, beforeAll, expect, it } from 'vitest';
import { listRedemptionCodes } from '../../../../src/modules/redemption/code/list-redemption-codes.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { buildCode } from '../../../support/factories.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

it('listRedemptionCodes reads every column of codes, batches and plans as Prisma does', async () => {
  const { db } = services;
  const { id } = await buildCode(db);

  const { nodes } = await listRedemptionCodes(services, { filter: { id }, page: {} });

  const expected = await db.redemptionCode.findUniqueOrThrow({
    where: { id },
    include: { batch: { include: { plan: true } } },
  });
  expect(nodes).toHaveLength(1);
  expect(nodes[0]).toMatchObject(expected);
});
