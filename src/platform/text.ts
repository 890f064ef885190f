import { z } from 'zod';

/** Text with a maximum length. */
export const longest = (characters: number) =>
  z.string().max(characters, `must have at most ${characters} characters`);

/** Non-empty text, trimmed. */
export const label = (characters: number) =>
  z.string().trim().min(1, 'must not be empty').max(characters, `must have at most ${characters} characters`);

/** A link that apps may open: http or https only, because `javascript:` URLs would run code. */
export const WebAddress = longest(2_048).refine(isWebAddress, 'must be an http or https address');

function isWebAddress(text: string): boolean {
  return /^https?:\/\/\S+$/i.test(text) && URL.canParse(text);
}
