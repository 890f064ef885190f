import type { Logger } from './logger.ts';

type WarningLog = Pick<Logger, 'warn'>;

/** Time between two lines of the same warning. */
const EVERY_MS = 30_000;
/** Different warnings; beyond these, the oldest is evicted. */
const MOST_WARNINGS = 500;

interface Warning {
  loggedAt: number;
  suppressed: number;
}

/**
 * Logs the same warning once in 30 s, with the number of those `suppressed` in between: while a
 * server is unavailable, clients that reconnect several times a second would fill the disk.
 * Warnings are the same if text, fields and message of the error are.
 */
export function withoutRepeats(log: WarningLog, now: () => number = Date.now): WarningLog {
  const warnings = new Map<string, Warning>();
  const warn = (fields: Record<string, unknown>, text?: string) => {
    const key = keyOf(fields, text);
    const known = warnings.get(key);
    if (known && now() - known.loggedAt < EVERY_MS) {
      known.suppressed += 1;
      return;
    }
    warnings.delete(key);
    const [oldest] = warnings.keys();
    if (oldest !== undefined && warnings.size >= MOST_WARNINGS) warnings.delete(oldest);
    warnings.set(key, { loggedAt: now(), suppressed: 0 });
    const suppressed = known?.suppressed ?? 0;
    log.warn({ ...fields, ...(suppressed > 0 && { suppressed }) }, text);
  };
  return { warn: warn as WarningLog['warn'] };
}

function keyOf({ err, ...fields }: Record<string, unknown>, text = ''): string {
  return JSON.stringify([text, err instanceof Error ? err.message : String(err), fields]);
}
