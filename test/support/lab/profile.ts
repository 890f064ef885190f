/**
 * Whether procedures run at full length (`npm run test:faults`, about an hour) instead of in short
 * (`npm test`).
 */
export const isLong = process.env.FAULTS === 'long';

/** Selects the value for the current profile. */
export const scale = <Figure>(short: Figure, long: Figure): Figure => (isLong ? long : short);

/** The seed of all random choices; set FAULTS_SEED to repeat a run. */
export const seed = Number(process.env.FAULTS_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** A generator of numbers in [0, 1), seeded by `seed` and the name (mulberry32). */
export function chance(name: string): () => number {
  let state = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, seed);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
