import { GraphQLError } from 'graphql';
import { PlatformError } from '../errors.ts';

const LONE_SURROGATE = /[\uD800-\uDFFF]/u;

/**
 * PostgreSQL rejects text with U+0000 or lone surrogates. Checking all input, including the keys of
 * free-form JSON, turns what would be a database error into a client error.
 */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && !LONE_SURROGATE.test(text);
}

/** Replaces what is not storable. */
export function toStorable(text: string): string {
  return text.replaceAll('\0', ' ').replace(/[\uD800-\uDFFF]/gu, '\uFFFD');
}

/**
 * Creates the error for text that is not storable.
 *
 * @param subject says where it is
 * @param field path of the variable
 */
export function unstorable(subject: string, field?: string): GraphQLError {
  const message = `${subject} contains an invalid character: U+0000 or a lone surrogate.`;
  const originalError = new PlatformError('BAD_USER_INPUT', {
    message,
    ...(field !== undefined && { field }),
  });
  return new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT' }, originalError });
}
