import { setImmediate } from 'node:timers/promises';
import type { Services } from '../../../platform/services.ts';
import { type SealedCode, sealCode } from '../code/code-vault.ts';
import { randomCode } from '../code/redemption-code.ts';

/** Sealing so many takes about five milliseconds, in which nothing else is answered. */
const CODES_AT_ONCE = 200;

/** Seals codes a few at a time, so that others are answered meanwhile. */
export async function sealCodes(
  services: Pick<Services, 'secrets'>,
  codes: readonly string[],
): Promise<SealedCode[]> {
  const sealed: SealedCode[] = [];
  for (let start = 0; start < codes.length; start += CODES_AT_ONCE) {
    if (start > 0) await setImmediate();
    for (const code of codes.slice(start, start + CODES_AT_ONCE)) sealed.push(sealCode(services, code));
  }
  return sealed;
}

/** So many new codes, drawn at random and sealed. That two of them are alike is as unlikely as a right guess. */
export function drawCodes(services: Pick<Services, 'secrets'>, count: number): Promise<SealedCode[]> {
  return sealCodes(services, Array.from({ length: count }, randomCode));
}
