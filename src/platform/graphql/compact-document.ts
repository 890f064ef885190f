import { type ASTNode, type DocumentNode, Kind, type Location } from 'graphql';

/** Upper bound of the heap of one object or array of a document in 64-bit V8; measured: 60–100. */
const OBJECT_BYTES = 100;
/** A character outside Latin-1 takes two bytes. */
const CHARACTER_BYTES = 2;

/** Shared by all lists that are empty: most fields have neither arguments nor directives. */
const NONE: readonly never[] = Object.freeze([]);

/**
 * Reduces a valid document to what its execution needs, including the locations of errors. A
 * location of graphql-js refers to all tokens and comments, which retain more memory than the
 * document itself; here it keeps the offsets. Names lose theirs: only validation reports it.
 *
 * @returns an upper bound of the bytes that the document retains, its text included
 */
export function compactDocument(document: DocumentNode): number {
  const text = document.loc?.source.body ?? '';
  return CHARACTER_BYTES * text.length + compactNode(document);
}

type Fields = Record<string, unknown>;

function compactNode(node: ASTNode): number {
  const fields = node as unknown as Fields;
  fields.loc = node.kind === Kind.NAME ? undefined : node.loc && offsetsOf(node.loc);
  const own = fields.loc ? 2 * OBJECT_BYTES : OBJECT_BYTES;
  return Object.keys(fields).reduce((bytes, key) => bytes + compactField(fields, key), own);
}

/** Errors use nothing else of a location. */
function offsetsOf({ start, end, source }: Location): Location {
  return { start, end, source } as Location;
}

function compactField(fields: Fields, key: string): number {
  const value = fields[key];
  if (key === 'value' && typeof value === 'string') return CHARACTER_BYTES * value.length;
  if (typeof value !== 'object' || value === null || key === 'loc') return 0;
  if (!Array.isArray(value)) return compactNode(value as ASTNode);
  if (value.length === 0) fields[key] = NONE;
  return value.reduce((bytes: number, child: ASTNode) => bytes + compactNode(child), OBJECT_BYTES);
}
