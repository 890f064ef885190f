/** Limits on websockets that are open at the same time in this process. */
export interface SocketLimits {
  perProcess: number;
  /** Per client address, or per /64 network for IPv6. */
  perAddress: number;
  /** Per client address, counting only sockets that have not authenticated yet. */
  unauthenticatedPerAddress: number;
}

/** A slot that one open socket occupies until it is released. */
export interface SocketSlot {
  /** Call when the client has authenticated: frees its share of `unauthenticatedPerAddress`. */
  authenticated(): void;
  /** Idempotent. */
  release(): void;
}

/** The limit that leaves no slot: the one of the process or the one of the address. */
export type SlotDenial = 'PROCESS_FULL' | 'ADDRESS_FULL';

/** Counts the open sockets of this process. */
export interface SocketSlots {
  /** @param address null for a shared address, whose sockets count toward `perProcess` only */
  take(address: string | null): SocketSlot | SlotDenial;
}

export function createSocketSlots(limits: SocketLimits): SocketSlots {
  const byAddress = new Tally();
  const unauthenticated = new Tally();
  let open = 0;
  return {
    take: (address) => {
      if (open >= limits.perProcess) return 'PROCESS_FULL';
      if (address !== null && isAddressFull(address)) return 'ADDRESS_FULL';
      open += 1;
      const releaseAddress = byAddress.add(address);
      const authenticated = unauthenticated.add(address);
      return {
        authenticated,
        release: once(() => {
          open -= 1;
          authenticated();
          releaseAddress();
        }),
      };
    },
  };

  function isAddressFull(address: string): boolean {
    return (
      byAddress.count(address) >= limits.perAddress ||
      unauthenticated.count(address) >= limits.unauthenticatedPerAddress
    );
  }
}

/**
 * Counts the open sockets of users. The first socket of a device is always allowed, so an account
 * with many devices can have more than `limit` in total; every further socket needs the user to be
 * below `limit`.
 */
export function createUserSocketSlots(limit: number): {
  /** @returns a function that releases the slot; undefined when the user has none left */
  take(owner: { userId: string; deviceId: string | null }): (() => void) | undefined;
} {
  const byUser = new Tally();
  const byDevice = new Tally();
  return {
    take: ({ userId, deviceId }) => {
      const isFirstOfDevice = deviceId !== null && byDevice.count(deviceId) === 0;
      if (byUser.count(userId) >= limit && !isFirstOfDevice) return undefined;
      const releases = [byUser.add(userId), byDevice.add(deviceId)];
      return () => {
        for (const release of releases) release();
      };
    },
  };
}

/**
 * Counts by key. Keys whose count drops to zero are deleted, so memory is bounded by open sockets.
 */
class Tally {
  readonly #counts = new Map<string, number>();

  count(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /**
   * @returns an idempotent function that subtracts what this call added; null keys are not counted
   */
  add(key: string | null): () => void {
    if (key === null) return () => {};
    this.#counts.set(key, this.count(key) + 1);
    return once(() => {
      const left = this.count(key) - 1;
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
