/** Refusals take the same time, whatever they are for. */
const REFUSED_AFTER_MS = 10;

/** Waits until a refusal may be told. @param elapsedMs since the message came */
export function delayRefusal(elapsedMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, REFUSED_AFTER_MS - elapsedMs)));
}
