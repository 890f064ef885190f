import type { Prisma } from '../../src/generated/prisma/client.ts';
import { sealCode } from '../../src/modules/redemption/code/code-vault.ts';
import { displayCode, randomCode } from '../../src/modules/redemption/code/redemption-code.ts';
import type { Services } from '../../src/platform/services.ts';
import { buildBatch, buildCode } from './factories.ts';

interface Overrides {
  batch?: Partial<Prisma.RedemptionBatchUncheckedCreateInput>;
  code?: Partial<Prisma.RedemptionCodeUncheckedCreateInput>;
}

/** A code that can be redeemed, as somebody would type it, in a batch of its own. */
export async function newCode(
  services: Pick<Services, 'db' | 'secrets'>,
  { batch, code: overrides }: Overrides = {},
) {
  const { id: batchId } = await buildBatch(services.db, batch);
  const code = randomCode();
  const { lookup, ciphertext, hint } = sealCode(services, code);
  const sealed = { lookup: Uint8Array.from(lookup), ciphertext: Uint8Array.from(ciphertext), hint };
  const { id } = await buildCode(services.db, { batchId, ...sealed, ...overrides });
  return { id, batchId, code: displayCode(code) };
}
