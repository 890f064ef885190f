import { createHash } from 'node:crypto';
import type { GraphQLError, GraphQLSchema } from 'graphql';
import { createExecutor, type Executor } from './executor.ts';
import { PreparedDocument, prepareDocument } from './prepared-document.ts';

/** Limits of the memory for stored documents. */
export interface DocumentStoreLimits {
  /** Sum of the bytes that the stored documents retain. */
  bytes: number;
  /** Number of stored documents. */
  entries: number;
  /** Longest document that is stored, in UTF-16 code units. */
  documentLength: number;
  /** Number of documents that are remembered as seen once. */
  seenOnce: number;
}

/** The limits of a process. */
export const STORE_LIMITS: DocumentStoreLimits = {
  bytes: 16 * 1024 * 1024,
  entries: 1_000,
  documentLength: 8_000,
  seenOnce: 5_000,
};

/** Current size of a store, and how often it had the requested document. */
export interface DocumentStoreUsage {
  entries: number;
  bytes: number;
  hits: number;
  misses: number;
}

/**
 * Parses, validates and executes documents, and stores those that clients send repeatedly. Both
 * transports share one store.
 */
export interface DocumentStore {
  /** Executes an operation of a document from this store. */
  execute: Executor;
  /** The schema that the documents are valid for. */
  schema: GraphQLSchema;
  /** @returns the document, or the errors that refuse it */
  prepare: (source: string) => PreparedDocument | readonly GraphQLError[];
  usage: () => DocumentStoreUsage;
}

/**
 * Apps send the same few documents, whereas an attacker can send a new one with each request. A
 * document is therefore stored when it is seen for the second time, and the least recently used
 * ones are evicted. The limits bound the memory that clients can fill.
 */
export function createDocumentStore(
  schema: GraphQLSchema,
  limits: DocumentStoreLimits = STORE_LIMITS,
): DocumentStore {
  const stored = new RecentDocuments(limits);
  const seen = new RecentDigests(limits.seenOnce);
  const count = { hits: 0, misses: 0 };
  return {
    execute: createExecutor(schema),
    schema,
    prepare: (source) => {
      const hit = stored.get(source);
      count[hit ? 'hits' : 'misses'] += 1;
      if (hit) return hit;
      const prepared = prepareDocument(schema, source);
      const isStorable = prepared instanceof PreparedDocument && source.length <= limits.documentLength;
      if (isStorable && seen.hasOrAdd(source)) stored.add(source, prepared);
      return prepared;
    },
    usage: () => ({ ...stored.size(), ...count }),
  };
}

/** A Map keeps insertion order: its first entry is the least recently used one. */
class RecentDocuments {
  readonly #limits: Pick<DocumentStoreLimits, 'bytes' | 'entries'>;
  readonly #documents = new Map<string, PreparedDocument>();
  #bytes = 0;

  constructor(limits: Pick<DocumentStoreLimits, 'bytes' | 'entries'>) {
    this.#limits = limits;
  }

  get(source: string): PreparedDocument | undefined {
    const prepared = this.#documents.get(source);
    if (!prepared) return undefined;
    this.#documents.delete(source);
    this.#documents.set(source, prepared);
    return prepared;
  }

  add(source: string, prepared: PreparedDocument): void {
    this.#documents.set(source, prepared);
    this.#bytes += prepared.bytes;
    while (this.#bytes > this.#limits.bytes || this.#documents.size > this.#limits.entries) this.#evict();
  }

  size(): Pick<DocumentStoreUsage, 'entries' | 'bytes'> {
    return { entries: this.#documents.size, bytes: this.#bytes };
  }

  #evict(): void {
    const [oldest] = this.#documents;
    if (!oldest) return;
    this.#documents.delete(oldest[0]);
    this.#bytes -= oldest[1].bytes;
  }
}

/** Remembers texts by their digest, up to a number of them. */
class RecentDigests {
  readonly #limit: number;
  readonly #digests = new Set<string>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @returns whether the text was remembered; it is from now on */
  hasOrAdd(text: string): boolean {
    const digest = createHash('sha256').update(text).digest('base64');
    if (this.#digests.has(digest)) return true;
    const [oldest] = this.#digests;
    if (oldest !== undefined && this.#digests.size >= this.#limit) this.#digests.delete(oldest);
    this.#digests.add(digest);
    return false;
  }
}
