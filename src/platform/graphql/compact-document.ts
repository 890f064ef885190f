import {
  type ASTNode,
  type DocumentNode,
  getLocation,
  Kind,
  type Location,
  type Source,
  type SourceLocation,
} from 'graphql';

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

const offsetsOf = ({ start, end, source }: Location) =>
  new Offsets(start, end, source) as unknown as Location;

/** The part of a location that errors use. */
class Offsets {
  constructor(
    readonly start: number,
    readonly end: number,
    readonly source: Source,
  ) {}

  /** For the compiler, which reads it once. Computed, because a token retains all others. */
  get startToken(): SourceLocation {
    return getLocation(this.source, this.start);
  }
}

function compactField(fields: Fields, key: string): number {
  const value = fields[key];
  if (key === 'value' && typeof value === 'string') return CHARACTER_BYTES * value.length;
  if (typeof value !== 'object' || value === null || key === 'loc') return 0;
  if (!Array.isArray(value)) return compactNode(value as ASTNode);
  if (value.length === 0) fields[key] = NONE;
  return value.reduce((bytes: number, child: ASTNode) => bytes + compactNode(child), OBJECT_BYTES);
}
