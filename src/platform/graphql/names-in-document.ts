import { type DocumentNode, GraphQLError, Kind, Lexer, parse, type Source, TokenKind, visit } from 'graphql';

/** Names that a document contains as tokens; neither comments nor strings contain names. */
export interface DocumentNames {
  /** Names of types, in variable definitions and type conditions. */
  types: ReadonlySet<string>;
  /** All other names: fields, aliases, arguments, variables, enum values, operations, fragments. */
  others: ReadonlySet<string>;
}

/** All errors of a document share its source, so each document is read once. */
const read = new WeakMap<Source, DocumentNames>();

/** Lists the names in the document that an error refers to. */
export function namesInDocument(source: Source): DocumentNames {
  const known = read.get(source);
  if (known) return known;
  const names = namesOf(source);
  read.set(source, names);
  return names;
}

function namesOf(source: Source): DocumentNames {
  try {
    return namesInTree(parse(source, { noLocation: true }));
  } catch (error) {
    if (error instanceof GraphQLError) return { types: new Set(), others: namesUntilError(source) };
    throw error;
  }
}

function namesInTree(document: DocumentNode): DocumentNames {
  const [types, others] = [new Set<string>(), new Set<string>()];
  visit(document, {
    [Kind.NAMED_TYPE]({ name }) {
      types.add(name.value);
      return false;
    },
    [Kind.NAME]({ value }) {
      others.add(value);
    },
    [Kind.ENUM]({ value }) {
      others.add(value);
    },
  });
  return { types, others };
}

/** Reads the tokens of a document that cannot be parsed, up to its first invalid character. */
function namesUntilError(source: Source): ReadonlySet<string> {
  const names = new Set<string>();
  const lexer = new Lexer(source);
  try {
    while (lexer.token.kind !== TokenKind.EOF) {
      const { kind, value } = lexer.advance();
      if (kind === TokenKind.NAME) names.add(value);
    }
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
  }
  return names;
}
