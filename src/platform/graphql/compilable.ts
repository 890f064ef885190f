import { BREAK, type DocumentNode, Kind, visit } from 'graphql';

/** Fields of the largest document that is compiled, fragments counted once. */
const MAX_FIELDS = 300;

/**
 * Whether a valid document may be compiled. Compiled code writes response names as keys of an
 * object literal, where `__proto__` would set the prototype. Introspection is rare and large.
 */
export function isCompilable(document: DocumentNode): boolean {
  let fields = 0;
  let isAllowed = true;
  visit(document, {
    [Kind.NAME]: ({ value }) => {
      if (value !== '__proto__' && value !== '__schema' && value !== '__type') return undefined;
      isAllowed = false;
      return BREAK;
    },
    [Kind.FIELD]: () => {
      fields += 1;
    },
  });
  return isAllowed && fields <= MAX_FIELDS;
}
