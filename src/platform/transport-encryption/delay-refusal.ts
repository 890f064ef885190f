/** Response time of every refusal, so that timing does not reveal which check failed. */
const REFUSED_AFTER_MS = 10;

/** @param elapsedMs time since the message was received */
export function delayRefusal(elapsedMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, REFUSED_AFTER_MS - elapsedMs)));
}
