/**
 * The URL that a text spells; undefined if it spells none.
 *
 * `URL.canParse` isn't used: in Node 20, once its caller is compiled, it refuses text with letters
 * such as `ü`.
 */
export function parseUrl(text: string, base?: string): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}
