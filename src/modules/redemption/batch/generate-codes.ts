import { setImmediate } from 'node:timers/promises';
import type { Services } from '../../../platform/services.ts';
import { type SealedCode, sealCode } from '../code/code-vault.ts';
import { randomCode } from '../code/redemption-code.ts';

/** Sealing 200 codes blocks the event loop for about 5 ms. */
const CODES_PER_TURN = 200;

/** Seals codes a few at a time, yielding to the event loop in between. */
export async function sealCodes(
  services: Pick<Services, 'secrets'>,
  codes: readonly string[],
): Promise<SealedCode[]> {
  const sealed: SealedCode[] = [];
  for (let start = 0; start < codes.length; start += CODES_PER_TURN) {
    if (start > 0) await setImmediate();
    for (const code of codes.slice(start, start + CODES_PER_TURN)) sealed.push(sealCode(services, code));
  }
  return sealed;
}

/** Generates random codes and seals them. A duplicate is as unlikely as a right guess: 2^-80. */
export function generateCodes(services: Pick<Services, 'secrets'>, count: number): Promise<SealedCode[]> {
  return sealCodes(services, Array.from({ length: count }, randomCode));
}
