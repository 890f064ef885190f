/**
 * How hard it is tried: `npm test` plays each procedure in short, `npm run test:faults` with the full figures, which take an
 * hour.
 */
export const isLong = process.env.FAULTS === 'long';

/** The figure of the short profile, or of the long one. */
export const scale = <Figure>(short: Figure, long: Figure): Figure => (isLong ? long : short);

/** Chance that can be had again: `FAULTS_SEED=… npm run test:faults`. */
export const seed = Number(process.env.FAULTS_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Numbers from 0 to 1 that follow from the seed and a name (mulberry32). */
export function chance(name: string): () => number {
  let state = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, seed);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
