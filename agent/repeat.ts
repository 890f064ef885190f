import { setTimeout as sleep } from 'node:timers/promises';
import { TokenRevoked } from './api/api.ts';
import { type Log, messageOf } from './log.ts';

const MAX_PAUSE_MS = 30_000;

interface RepeatOptions {
  signal: AbortSignal;
  log: Log;
  /** Names the work in the log. */
  name: string;
}

/**
 * Repeats work with a pause until the signal aborts. Errors are logged, the same one only once.
 *
 * @throws TokenRevoked
 */
export async function every(
  seconds: number,
  work: () => Promise<void>,
  { signal, log, name }: RepeatOptions,
): Promise<void> {
  let lastError: string | undefined;
  while (!signal.aborted) {
    lastError = await work().then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof TokenRevoked) throw error;
        const message = messageOf(error);
        if (message !== lastError) log(`${name} failed: ${message}`);
        return message;
      },
    );
    await pause(seconds * 1_000, signal);
  }
}

/**
 * Keeps a connection: starts the work again when it ends, after a pause that doubles while it
 * fails.
 *
 * @throws TokenRevoked
 */
export async function keep(
  work: (onSuccess: () => void) => Promise<void>,
  { signal, log, name }: RepeatOptions,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    await work(() => {
      failures = 0;
    }).catch((error: unknown) => {
      if (error instanceof TokenRevoked) throw error;
      if (!signal.aborted) log(`${name} disconnected, connecting again: ${messageOf(error)}`);
    });
    await backOff(failures++, signal);
  }
}

/** Half of the pause is random, so that agents do not all connect together after an outage. */
export async function backOff(failures: number, signal: AbortSignal): Promise<void> {
  const maxMs = Math.min(250 * 2 ** failures, MAX_PAUSE_MS);
  await pause(maxMs / 2 + (Math.random() * maxMs) / 2, signal);
}

const pause = (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal }).catch(() => {});
