import { createSemaphore, type Semaphore } from './semaphore.ts';

/** A semaphore per key, for as long as its key is held. */
export interface KeyedSemaphores {
  /** @returns the semaphore of the key, and an idempotent function that lets go of the key */
  hold(key: string): { semaphore: Semaphore; release: () => void };
}

/** @param slots maximum concurrency per key */
export function createKeyedSemaphores(slots: number): KeyedSemaphores {
  const held = new Map<string, { semaphore: Semaphore; holders: Set<symbol> }>();
  return {
    hold: (key) => {
      const entry = held.get(key) ?? { semaphore: createSemaphore(slots), holders: new Set() };
      held.set(key, entry);
      const holder = Symbol(key);
      entry.holders.add(holder);
      return {
        semaphore: entry.semaphore,
        release: () => {
          entry.holders.delete(holder);
          if (entry.holders.size === 0 && held.get(key) === entry) held.delete(key);
        },
      };
    },
  };
}
