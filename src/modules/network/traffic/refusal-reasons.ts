import type { TrafficRefusalReason } from './traffic-entries.ts';

/*
 * The outcome of each entry of a report as it is stored: two bits, the first entry in the lowest
 * bits of the first byte. A report has at most 5,000 entries, so this is at most 1,250 bytes. Ids
 * are not stored: agents choose them at any length, and a retry sends them again. Nor is MALFORMED,
 * which a retry has too: it is stored as NEGATIVE.
 */

/** Position is the stored value; entries that were counted are 0. */
const OUTCOMES = [null, 'FOREIGN', 'NEGATIVE', 'OVERFLOW'] as const satisfies (TrafficRefusalReason | null)[];

const ENTRIES_PER_BYTE = 4;

type Refusal = { index: number; reason: TrafficRefusalReason };

/** @returns as many bytes as are needed up to the last refused entry */
export function packReasons(refusals: readonly Refusal[]): Uint8Array<ArrayBuffer> {
  const last = refusals.reduce((highest, { index }) => Math.max(highest, index), -1);
  const bytes = new Uint8Array(Math.ceil((last + 1) / ENTRIES_PER_BYTE));
  for (const { index, reason } of refusals) {
    const place = Math.floor(index / ENTRIES_PER_BYTE);
    bytes[place] =
      (bytes[place] ?? 0) |
      (OUTCOMES.indexOf(reason === 'MALFORMED' ? 'NEGATIVE' : reason) << (2 * (index % ENTRIES_PER_BYTE)));
  }
  return bytes;
}

/** @returns null for an entry that was counted */
export function reasonAt(bytes: Uint8Array, index: number): TrafficRefusalReason | null {
  const byte = bytes[Math.floor(index / ENTRIES_PER_BYTE)] ?? 0;
  return OUTCOMES[(byte >> (2 * (index % ENTRIES_PER_BYTE))) & 3] ?? null;
}
