import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 50;

/**
 * Polls until the condition holds, every 5 ms at first and every 50 ms later.
 *
 * @returns false if the condition still does not hold after `limitMs`
 */
export async function pollUntil(
  condition: () => boolean | Promise<boolean>,
  limitMs: number,
): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  let pauseMs = FIRST_PAUSE_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) return false;
    await sleep(pauseMs);
    pauseMs = Math.min(pauseMs * 1.3, LONGEST_PAUSE_MS);
  }
  return true;
}
