import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  visit,
} from 'graphql';
import { compactDocument } from './compact-document.ts';
import { parseDocument } from './parse-document.ts';
import { isStorable } from './storable.ts';
import { validateDocument } from './validate-document.ts';

/**
 * One operation of a valid document. Identical for all requests while the document is stored, so
 * that results which depend on nothing else can be kept with it.
 */
export interface PreparedOperation {
  readonly node: OperationDefinitionNode;
  readonly prepared: PreparedDocument;
}

/** A valid document, and what is true of it regardless of the caller and the variables. */
export class PreparedDocument {
  readonly document: DocumentNode;
  /** Upper bound of the memory that it retains. */
  readonly bytes: number;
  /** Whether it selects `__schema` or `__type`. */
  readonly introspects: boolean;
  /** Whether all its string literals can be stored in PostgreSQL. */
  readonly isStorable: boolean;
  readonly #operations: readonly PreparedOperation[];

  constructor(document: DocumentNode) {
    const { introspects, isStorable } = inspect(document);
    this.document = document;
    this.bytes = compactDocument(document);
    this.introspects = introspects;
    this.isStorable = isStorable;
    this.#operations = document.definitions.flatMap((node) =>
      node.kind === Kind.OPERATION_DEFINITION ? { node, prepared: this } : [],
    );
  }

  /** @returns undefined if there is no such operation, or several and no name */
  operation(name: string | null | undefined): PreparedOperation | undefined {
    if (name != null) return this.#operations.find(({ node }) => node.name?.value === name);
    return this.#operations.length === 1 ? this.#operations[0] : undefined;
  }
}

/**
 * Parses and validates a document.
 *
 * @returns the document, or the errors that refuse it
 */
export function prepareDocument(
  schema: GraphQLSchema,
  source: string,
): PreparedDocument | readonly GraphQLError[] {
  const document = parseDocument(source);
  if (document instanceof GraphQLError) return [document];
  const errors = validateDocument(schema, document);
  return errors.length > 0 ? errors : new PreparedDocument(document);
}

function inspect(document: DocumentNode): Pick<PreparedDocument, 'introspects' | 'isStorable'> {
  const found = { introspects: false, isStorable: true };
  visit(document, {
    [Kind.FIELD]({ name: { value } }) {
      if (value === '__schema' || value === '__type') found.introspects = true;
    },
    [Kind.STRING]({ value }) {
      if (!isStorable(value)) found.isStorable = false;
    },
  });
  return found;
}
