import { PlatformError } from './errors.ts';
import type { Secrets } from './secrets.ts';

/** Entries on a page of a list. */
export const PAGE_SIZE = { default: 20, smallest: 1, largest: 100 } as const;

/** Which page of a list is asked for; absent and null mean the same. */
export interface PageArguments {
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}

/** A Relay connection. `totalCount` is only computed when it is asked for. */
export interface Page<Row> {
  nodes: Row[];
  edges: { cursor: string; node: Row }[];
  pageInfo: {
    hasNextPage: boolean;
    hasPreviousPage: boolean;
    startCursor: string | null;
    endCursor: string | null;
  };
  readonly totalCount: Promise<number>;
}

/** The part of a query that makes a page of it: spread into `findMany`, the `where` joined by AND. */
export interface Window {
  where: { id?: { gt?: string; lt?: string } };
  orderBy: { id: 'asc' | 'desc' };
  take: number;
}

/** A list to page through by id. Ids are made in order of time, so `desc` is newest first. */
export interface List<Row> {
  /** Cursors of one list are refused by every other. */
  name: string;
  order: 'asc' | 'desc';
  find: (window: Window) => Promise<Row[]>;
  count: () => Promise<number>;
}

/**
 * Reads one page of a list by keyset: its cost does not grow with how far in it lies.
 *
 * @throws PlatformError BAD_USER_INPUT for a page size outside 1–100, both `first` and `last`, or a broken cursor
 */
export async function paginate<Row extends { id: string }>(
  { secrets }: { secrets: Secrets },
  args: PageArguments,
  list: List<Row>,
): Promise<Page<Row>> {
  const { size, backward } = checkPage(args);
  const cursors = listCursors(secrets, list.name);
  const after = args.after == null ? null : cursors.read(args.after, 'after');
  const before = args.before == null ? null : cursors.read(args.before, 'before');
  const found = await list.find(windowOf({ list, size, backward, after, before }));
  const nodes = found.slice(0, size);
  if (backward) nodes.reverse();
  const edges = nodes.map((node) => ({ cursor: cursors.write(node.id), node }));
  const more = found.length > size;
  return {
    nodes,
    edges,
    pageInfo: {
      hasNextPage: backward ? before !== null : more,
      hasPreviousPage: backward ? more : after !== null,
      startCursor: edges.at(0)?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
    get totalCount() {
      return list.count();
    },
  };
}

/**
 * The one place that decides what a page may be.
 *
 * @throws PlatformError BAD_USER_INPUT naming the argument
 */
export function checkPage({ first, last }: PageArguments): { size: number; backward: boolean } {
  if (first != null && last != null) {
    throw badArgument('last', 'Give `first` or `last`, not both.');
  }
  const [field, size] =
    last == null ? (['first', first ?? PAGE_SIZE.default] as const) : (['last', last] as const);
  if (size < PAGE_SIZE.smallest || size > PAGE_SIZE.largest) {
    throw badArgument(
      field,
      `\`${field}\` must be from ${PAGE_SIZE.smallest} to ${PAGE_SIZE.largest}, not ${size}.`,
    );
  }
  return { size, backward: last != null };
}

function badArgument(field: string, message: string) {
  return new PlatformError('BAD_USER_INPUT', { field, message });
}

interface Bounds {
  list: { order: 'asc' | 'desc' };
  size: number;
  backward: boolean;
  after: string | null;
  before: string | null;
}

/** One row more than the page shows whether there is a next one. */
function windowOf({ list, size, backward, after, before }: Bounds): Window {
  const [beyond, within] = list.order === 'asc' ? (['gt', 'lt'] as const) : (['lt', 'gt'] as const);
  const id = { ...(after !== null && { [beyond]: after }), ...(before !== null && { [within]: before }) };
  const reversed = list.order === 'asc' ? 'desc' : 'asc';
  return {
    where: Object.keys(id).length > 0 ? { id } : {},
    orderBy: { id: backward ? reversed : list.order },
    take: size + 1,
  };
}

const ID_BYTES = 16;
const TAG_BYTES = 8;

/** A cursor is the id of an entry and a keyed tag over it and the list's name, as base64url. */
function listCursors(secrets: Secrets, listName: string) {
  const tag = (id: Buffer) =>
    secrets.mac('cursor', Buffer.concat([Buffer.from(listName), id])).subarray(0, TAG_BYTES);
  return {
    write(id: string): string {
      const bytes = Buffer.from(id.replaceAll('-', ''), 'hex');
      return Buffer.concat([bytes, tag(bytes)]).toString('base64url');
    },
    read(cursor: string, field: string): string {
      const bytes = Buffer.from(cursor, 'base64url');
      const id = bytes.subarray(0, ID_BYTES);
      if (bytes.length !== ID_BYTES + TAG_BYTES || !tag(id).equals(bytes.subarray(ID_BYTES))) {
        throw badArgument(field, `\`${field}\` is not a cursor of this list.`);
      }
      return id.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    },
  };
}
