/**
 * Narrows away null and undefined where an invariant rules them out.
 *
 * @param what the value, as the error should name it: `id of the live subscription`
 * @throws Error when the invariant does not hold, which is a bug
 */
export function required<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Error(`missing: ${what}`);
  return value;
}
