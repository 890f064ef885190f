import { type DocumentNode, GraphQLError, parse, TokenKind } from 'graphql';
import { LIMITS, tooComplex } from './limits.ts';

/** The parser counts tokens and comments separately; `parseDocument` limits their sum. */
const PARSE_OPTIONS = { maxTokens: LIMITS.tokens, maxComments: LIMITS.tokens } as const;

/**
 * Parses a document within the limits on its length, lines and tokens. Comments count as tokens:
 * each costs as much to read and to keep.
 *
 * @returns the document, or the error that refuses it
 */
export function parseDocument(source: string): DocumentNode | GraphQLError {
  if (source.length > LIMITS.documentLength) {
    return tooComplex(
      `The document has ${source.length} characters; the limit is ${LIMITS.documentLength}. Send values as variables.`,
    );
  }
  if (linesOf(source) > LIMITS.documentLines)
    return tooComplex(`The document has more than ${LIMITS.documentLines} lines.`);
  try {
    const document = parse(source, PARSE_OPTIONS);
    if ((document.tokenCount ?? 0) + commentsIn(document) <= LIMITS.tokens) return document;
    return tooComplex(`The document has more than ${LIMITS.tokens} tokens, comments included.`);
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    error.extensions.code = 'GRAPHQL_PARSE_FAILED';
    return error;
  }
}

/** The location of each error is found by counting lines from the start of the document. */
function linesOf(source: string): number {
  return 1 + (source.match(/\r\n|[\n\r]/g)?.length ?? 0);
}

function commentsIn({ loc }: DocumentNode): number {
  let comments = 0;
  for (let token = loc?.startToken; token; token = token.next ?? undefined)
    if (token.kind === TokenKind.COMMENT) comments += 1;
  return comments;
}
