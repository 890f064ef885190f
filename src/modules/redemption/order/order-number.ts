import { lettersAndDigits } from '../../../platform/typed-text.ts';

/** The number of an order as it is stored, from one that a person typed or pasted. */
export const normalizeOrderNo = (typed: string): string => lettersAndDigits(typed).toUpperCase();
