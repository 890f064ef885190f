import type { DomainError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { TransportEncryption } from './transport-encryption.ts';

const POLL_MS = 2_000;

/** Called once, when the socket must be closed because encryption has become required. */
type OnRefusal = (refusal: DomainError) => void;

/**
 * Closes the plaintext sockets of devices within 2 s after encryption becomes required. Polls only
 * while there are such sockets.
 *
 * @returns a function that registers a socket; its return value unregisters the socket
 */
export function createPlaintextSocketWatch(
  { plaintextRefusal, log }: Pick<TransportEncryption, 'plaintextRefusal'> & { log: Pick<Logger, 'warn'> },
  { pollMs = POLL_MS }: { pollMs?: number } = {},
): (onRefusal: OnRefusal) => () => void {
  const watched = new Set<OnRefusal>();
  let timer: NodeJS.Timeout | undefined;
  const stop = (onRefusal: OnRefusal) => {
    watched.delete(onRefusal);
    if (watched.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
  const poll = async () => {
    const refusal = await plaintextRefusal();
    if (!refusal) return;
    for (const onRefusal of watched) {
      stop(onRefusal);
      onRefusal(refusal);
    }
  };
  return (onRefusal) => {
    watched.add(onRefusal);
    timer ??= setInterval(() => {
      poll().catch((err: unknown) => log.warn({ err }, 'failed to check whether encryption is required'));
    }, pollMs).unref();
    return () => stop(onRefusal);
  };
}
