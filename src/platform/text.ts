import { z } from 'zod';

/** A text with at most so many characters. */
export const longest = (characters: number) =>
  z.string().max(characters, `must have at most ${characters} characters`);

/** A text that says something, without the spaces around it. */
export const label = (characters: number) =>
  z.string().trim().min(1, 'must not be empty').max(characters, `must have at most ${characters} characters`);

/** A link that apps may follow: http or https, nothing that runs. */
export const WebAddress = longest(2_048).refine(isWebAddress, 'must be an http or https address');

function isWebAddress(text: string): boolean {
  return /^https?:\/\/\S+$/i.test(text) && URL.canParse(text);
}
