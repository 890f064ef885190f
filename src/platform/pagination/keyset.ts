import type { Cursor } from './cursor.ts';

export type SortDirection = 'asc' | 'desc';

/** Bounds of a page, and the end it is read from. */
export interface PagePlace {
  backward: boolean;
  after: Cursor | null;
  before: Cursor | null;
}

/**
 * A contiguous range of a list, as parts of a Prisma query. Column names are known at run time
 * only.
 */
interface KeysetRange {
  where: Condition;
  orderBy: Condition[];
}

type Condition = Record<string, unknown>;

/**
 * The ranges that a page may cover, in reading order. A nullable sort column needs two, entries
 * with a value and then those without, so that each is one range scan of an index.
 */
export function rangesOf(
  { by, order }: { by?: { column: string; isNullable?: boolean }; order: SortDirection },
  place: PagePlace,
): KeysetRange[] {
  const direction = place.backward === (order === 'asc') ? 'desc' : 'asc';
  const sides = sidesOf(order, place);
  if (by === undefined) return [{ where: idsWithin(sides), orderBy: [{ id: direction }] }];
  const { column, isNullable = false } = by;
  const orderBy = [{ [column]: direction }, { id: direction }];
  const ranges: KeysetRange[] = [];
  // Null keys are last: no values follow an entry without one, and no nulls precede an entry with
  // one.
  if (place.after?.key !== null) ranges.push({ where: { AND: withKey(column, isNullable, sides) }, orderBy });
  if (isNullable && place.before?.key == null)
    ranges.push({ where: { AND: withoutKey(column, sides) }, orderBy });
  return place.backward ? ranges.reverse() : ranges;
}

/** The side of a cursor on which entries must be: `gt` for larger keys and ids. */
interface Side {
  cursor: Cursor;
  operator: 'gt' | 'lt';
}

function sidesOf(order: SortDirection, { after, before }: PagePlace): Side[] {
  const [beyond, within] = order === 'asc' ? (['gt', 'lt'] as const) : (['lt', 'gt'] as const);
  const sides = [
    { cursor: after, operator: beyond },
    { cursor: before, operator: within },
  ];
  return sides.flatMap(({ cursor, operator }) => (cursor ? [{ cursor, operator }] : []));
}

function idsWithin(sides: readonly Side[]): Condition {
  if (sides.length === 0) return {};
  return { id: Object.fromEntries(sides.map(({ cursor, operator }) => [operator, cursor.id])) };
}

function withKey(column: string, isNullable: boolean, sides: readonly Side[]): Condition[] {
  const bounds = sides.flatMap(({ cursor: { id, key }, operator }) => {
    if (key == null) return [];
    // The first condition follows from the second, but lets the index scan start at the cursor.
    return [
      { [column]: { [`${operator}e`]: key } },
      { OR: [{ [column]: { [operator]: key } }, { id: { [operator]: id } }] },
    ];
  });
  return isNullable ? [{ [column]: { not: null } }, ...bounds] : bounds;
}

function withoutKey(column: string, sides: readonly Side[]): Condition[] {
  const nullCursors = sides.filter(({ cursor }) => cursor.key === null);
  return [{ [column]: { equals: null } }, idsWithin(nullCursors)];
}
