import { PlatformError } from '../errors.ts';
import type { Secrets } from '../keys/secrets.ts';
import { type Cursor, type Key, listCursors } from './cursor.ts';
import { type Order, type PagePlace, rangesOf } from './keyset.ts';

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

/** Columns that a list can be sorted by, with what stands in them. */
type Columns = Record<string, Key>;
type ById = Record<never, never>;

/** A column that a list is sorted by. An index on it and the id makes any page as cheap as the first. */
interface SortKey<Sortable extends Columns> {
  column: keyof Sortable & string;
  /** There may be nothing in it; that comes last in either order. */
  isNullable?: boolean;
}

/** How a list is sorted: by a column and, where that is alike, by id; without one by id alone, which is by time. */
export interface Sort<Sortable extends Columns = ById> {
  order: Order;
  by?: SortKey<Sortable>;
}

type Condition<Value> = {
  [Operator in 'gt' | 'gte' | 'lt' | 'lte']?: NonNullable<Value>;
} & (null extends Value ? { equals?: null; not?: null } : unknown);

type Conditions<Sortable extends Columns> = { id?: Condition<string> } & {
  [Column in keyof Sortable]?: Condition<Sortable[Column]>;
};

/** The part of a query that makes a page of it: spread into `findMany`, the `where` joined by AND. */
export interface Window<Sortable extends Columns = ById> {
  where: Conditions<Sortable> & { AND?: (Conditions<Sortable> & { OR?: Conditions<Sortable>[] })[] };
  orderBy: { [Column in 'id' | keyof Sortable]?: Order }[];
  take: number;
}

/** A list to page through. Ids are made in order of time, so by id `desc` is newest first. */
export interface List<Row, Sortable extends Columns = ById> extends Sort<Sortable> {
  /** Cursors of one list are refused by every other. */
  name: string;
  find: (window: Window<Sortable>) => Promise<Row[]>;
  count: () => Promise<number>;
}

/**
 * Reads one page of a list by keyset: its cost does not grow with how far in it lies.
 *
 * @throws PlatformError BAD_USER_INPUT for a page size outside 1–100, both `first` and `last`, or a cursor that is broken,
 *   of another list, or of the same list sorted otherwise
 */
export async function paginate<Row extends { id: string }, Sortable extends Columns = ById>(
  { secrets }: { secrets: Secrets },
  args: PageArguments,
  list: List<Row, Sortable>,
): Promise<Page<Row>> {
  const { size, backward } = checkPage(args);
  const cursors = listCursors(secrets, [list.name, list.by?.column ?? 'id', list.order].join(' '));
  const after = args.after == null ? null : cursors.read(args.after, 'after');
  const before = args.before == null ? null : cursors.read(args.before, 'before');
  const found = await findRows(list, { size, backward, after, before });
  const nodes = found.slice(0, size);
  if (backward) nodes.reverse();
  const edges = nodes.map((node) => ({ cursor: cursors.write(cursorOf(node, list.by?.column)), node }));
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
    throw badSize('last', 'Give `first` or `last`, not both.');
  }
  const [field, size] =
    last == null ? (['first', first ?? PAGE_SIZE.default] as const) : (['last', last] as const);
  if (size < PAGE_SIZE.smallest || size > PAGE_SIZE.largest) {
    throw badSize(
      field,
      `\`${field}\` must be from ${PAGE_SIZE.smallest} to ${PAGE_SIZE.largest}, not ${size}.`,
    );
  }
  return { size, backward: last != null };
}

function badSize(field: string, message: string) {
  return new PlatformError('BAD_USER_INPUT', { field, message });
}

function cursorOf(row: { id: string }, column: string | undefined): Cursor {
  if (column === undefined) return { id: row.id };
  return { id: row.id, key: (row as { [column: string]: Key | undefined })[column] ?? null };
}

/** One row more than the page shows whether there is a next one. */
async function findRows<Row, Sortable extends Columns>(
  list: List<Row, Sortable>,
  { size, ...place }: PagePlace & { size: number },
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const stretch of rangesOf(list, place)) {
    const take = size + 1 - rows.length;
    if (take > 0) rows.push(...(await list.find({ ...stretch, take } as Window<Sortable>)));
  }
  return rows;
}
