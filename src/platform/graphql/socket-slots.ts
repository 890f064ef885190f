/** How many sockets there may be at once in this process. */
export interface SocketLimits {
  all: number;
  /** From one address (/64). */
  perAddress: number;
  /** From one address, of those that have not said yet who they are. */
  strangersPerAddress: number;
}

/** A socket that may be there, until it leaves. */
export interface SocketPlace {
  /** It has said who it is. */
  letIn(): void;
  leave(): void;
}

/** FULL: the process has as many as it can. CROWDED: the address has as many as it may. */
export type NoPlace = 'FULL' | 'CROWDED';

/** Counts the sockets of this process. */
export interface SocketPlaces {
  /** @param address null for one whose sockets are not counted: many share it */
  take(address: string | null): SocketPlace | NoPlace;
}

export function createSocketPlaces(limits: SocketLimits): SocketPlaces {
  const ofAddress = new Tally();
  const strangers = new Tally();
  let all = 0;
  return {
    take: (address) => {
      if (all >= limits.all) return 'FULL';
      if (address !== null && isCrowded(address)) return 'CROWDED';
      all += 1;
      const leaveAddress = ofAddress.enter(address);
      const letIn = strangers.enter(address);
      return {
        letIn,
        leave: once(() => {
          all -= 1;
          letIn();
          leaveAddress();
        }),
      };
    },
  };

  function isCrowded(address: string): boolean {
    return ofAddress.of(address) >= limits.perAddress || strangers.of(address) >= limits.strangersPerAddress;
  }
}

/**
 * Counts the sockets of users. Each device may have one, however many devices there are; beyond that a user has so
 * many.
 */
export function createUserPlaces(limit: number): {
  /** @returns how to give the place back; undefined when there is none */
  take(owner: { userId: string; deviceId: string | null }): (() => void) | undefined;
} {
  const ofUser = new Tally();
  const ofDevice = new Tally();
  return {
    take: ({ userId, deviceId }) => {
      const isFirstOfDevice = deviceId !== null && ofDevice.of(deviceId) === 0;
      if (ofUser.of(userId) >= limit && !isFirstOfDevice) return undefined;
      const leaves = [ofUser.enter(userId), ofDevice.enter(deviceId)];
      return () => {
        for (const leave of leaves) leave();
      };
    },
  };
}

/** How many of each key there are; keys that have none are forgotten. */
class Tally {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** @returns takes it back, once */
  enter(key: string | null): () => void {
    if (key === null) return () => {};
    this.#counts.set(key, this.of(key) + 1);
    return once(() => {
      const left = this.of(key) - 1;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    });
  }
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}
