import type { Coalescer } from './coalescer.ts';

/**
 * Makes several coalescers work as one, each with a run of its own in flight. Items with the same
 * key share one, so that runs that would wait for each other's locks are rare.
 *
 * @param laneOf the key of an item
 */
export function createLanes<Item, Result>(
  count: number,
  laneOf: (item: Item) => string,
  create: () => Coalescer<Item, Result>,
): Coalescer<Item, Result> {
  const lanes = Array.from({ length: count }, create);
  return {
    add: (item) => {
      const lane = lanes[hashOf(laneOf(item)) % lanes.length];
      return lane ? lane.add(item) : Promise.reject(new Error('there is no lane'));
    },
    drain: async () => {
      await Promise.all(lanes.map((lane) => lane.drain()));
    },
  };
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
