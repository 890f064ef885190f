import type { DomainError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { TransportEncryption } from './transport-encryption.ts';

const POLL_MS = 2_000;

/** Told once that it may not go on in clear. */
type OnRefusal = (refusal: DomainError) => void;

/**
 * Ends what devices have open in clear within two seconds after encryption came to be required. While nothing is watched
 * nothing is asked.
 *
 * @returns watches one socket; what that returns stops watching it
 */
export function createPlaintextSocketWatch(
  { plaintextRefusal: refusalOfClear, log }: Pick<TransportEncryption, 'plaintextRefusal'> & { log: Pick<Logger, 'warn'> },
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
    const refusal = await refusalOfClear();
    if (!refusal) return;
    for (const onRefusal of watched) {
      stop(onRefusal);
      onRefusal(refusal);
    }
  };
  return (onRefusal) => {
    watched.add(onRefusal);
    timer ??= setInterval(() => {
      poll().catch((err: unknown) => log.warn({ err }, 'whether sockets must be encrypted is asked again'));
    }, pollMs).unref();
    return () => stop(onRefusal);
  };
}
