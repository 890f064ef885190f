import { PlatformError } from '../errors.ts';
import type { Secrets } from '../keys/secrets.ts';
import { type Cursor, type Key, listCursors } from './cursor.ts';
import { type PagePlace, rangesOf, type SortDirection } from './keyset.ts';

/** Entries per page. */
export const PAGE_SIZE = { default: 20, smallest: 1, largest: 100 } as const;

/** Relay pagination arguments. Null is treated as absent. */
export interface PageArguments {
  first?: number | null | undefined;
  after?: string | null | undefined;
  last?: number | null | undefined;
  before?: string | null | undefined;
}

/** A Relay connection. Cursors, which are authenticated, and `totalCount` are computed lazily. */
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

/** Sortable columns of a list, with the types of their values. */
type Columns = Record<string, Key>;
type ById = Record<never, never>;

/** Sort column. With an index on it and the id, every page is as cheap as the first. */
interface SortKey<Sortable extends Columns> {
  column: keyof Sortable & string;
  /** Nulls are last in either order. */
  isNullable?: boolean;
}

/** Sort order: by a column and then by id, or by id only, which is the order of creation. */
export interface Sort<Sortable extends Columns = ById> {
  order: SortDirection;
  by?: SortKey<Sortable>;
}

type Condition<Value> = {
  [Operator in 'gt' | 'gte' | 'lt' | 'lte']?: NonNullable<Value>;
} & (null extends Value ? { equals?: null; not?: null } : unknown);

type Conditions<Sortable extends Columns> = { id?: Condition<string> } & {
  [Column in keyof Sortable]?: Condition<Sortable[Column]>;
};

/** Restricts a query to a page: spread it into `findMany`, and join its `where` by AND. */
export interface Window<Sortable extends Columns = ById> {
  where: Conditions<Sortable> & { AND?: (Conditions<Sortable> & { OR?: Conditions<Sortable>[] })[] };
  orderBy: { [Column in 'id' | keyof Sortable]?: SortDirection }[];
  take: number;
}

/** A list to page through. Ids are UUIDv7, so by id `desc` is newest first. */
export interface List<Row, Sortable extends Columns = ById> extends Sort<Sortable> {
  /** Cursors are valid only for the list of this name. */
  name: string;
  find: (window: Window<Sortable>) => Promise<Row[]>;
  count: () => Promise<number>;
}

/**
 * Reads a page by keyset pagination, so that its cost doesn't depend on its position.
 *
 * @throws PlatformError BAD_USER_INPUT for a page size outside 1–100, for both `first` and `last`,
 *   or for a cursor that is malformed or of another list or sort order
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
  const cursorOf = (node: Row) => cursors.write(placeOf(node, list.by?.column));
  const cursorAt = (index: number) => {
    const node = nodes.at(index);
    return node ? cursorOf(node) : null;
  };
  const more = found.length > size;
  return {
    nodes,
    get edges() {
      return nodes.map((node) => ({
        get cursor() {
          return cursorOf(node);
        },
        node,
      }));
    },
    pageInfo: {
      hasNextPage: backward ? before !== null : more,
      hasPreviousPage: backward ? more : after !== null,
      get startCursor() {
        return cursorAt(0);
      },
      get endCursor() {
        return cursorAt(-1);
      },
    },
    get totalCount() {
      return list.count();
    },
  };
}

/**
 * Validates the page size.
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

/** Whether the page begins with the first entry of the list. */
export const isFirstPage = ({ after, before, last }: PageArguments): boolean =>
  after == null && before == null && last == null;

function badSize(field: string, message: string) {
  return new PlatformError('BAD_USER_INPUT', { field, message });
}

function placeOf(row: { id: string }, column: string | undefined): Cursor {
  if (column === undefined) return { id: row.id };
  return { id: row.id, key: (row as { [column: string]: Key | undefined })[column] ?? null };
}

/** Reads one row beyond the page, which shows whether another page follows. */
async function findRows<Row, Sortable extends Columns>(
  list: List<Row, Sortable>,
  { size, ...place }: PagePlace & { size: number },
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const range of rangesOf(list, place)) {
    const take = size + 1 - rows.length;
    if (take > 0) rows.push(...(await list.find({ ...range, take } as Window<Sortable>)));
  }
  return rows;
}
