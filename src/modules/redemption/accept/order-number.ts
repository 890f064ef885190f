import { randomCrockford } from '../../../platform/keys/crockford.ts';

/** A number for people to tell each other; 75 random bits, so that it is neither guessed nor given twice. */
export const newOrderNo = () => `T${randomCrockford(15)}`;
