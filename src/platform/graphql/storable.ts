import { GraphQLError } from 'graphql';

const LONE_SURROGATE = /[\uD800-\uDFFF]/u;

/**
 * PostgreSQL rejects text with U+0000 or lone surrogates. Checking all input, including the keys of
 * free-form JSON, turns what would be a database error into a client error.
 */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && !LONE_SURROGATE.test(text);
}

/** Creates the error for text that is not storable; `subject` says where it is. */
export function unstorable(subject: string): GraphQLError {
  return new GraphQLError(`${subject} contains an invalid character: U+0000 or a lone surrogate.`, {
    extensions: { code: 'BAD_USER_INPUT' },
  });
}
