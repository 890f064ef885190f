import type { Cursor } from './cursor.ts';

export type Order = 'asc' | 'desc';

/** Where a page lies in its list, and from which end it is read. */
export interface PagePlace {
  backward: boolean;
  after: Cursor | null;
  before: Cursor | null;
}

/** Entries that lie together in a list. The names of columns are known at run time only. */
interface KeysetRange {
  where: Condition;
  orderBy: Condition[];
}

type Condition = Record<string, unknown>;

/**
 * The stretches of a list that a page may lie in, the nearest first. Without a column that is one; with a column in which
 * there may be nothing, what has something there and, after it, what has not: so each is one range of an index.
 */
export function rangesOf(
  { by, order }: { by?: { column: string; isNullable?: boolean }; order: Order },
  place: PagePlace,
): KeysetRange[] {
  const walked = place.backward === (order === 'asc') ? 'desc' : 'asc';
  const sides = sidesOf(order, place);
  if (by === undefined) return [{ where: besideIds(sides), orderBy: [{ id: walked }] }];
  const { column, isNullable = false } = by;
  const orderBy = [{ [column]: walked }, { id: walked }];
  const stretches: KeysetRange[] = [];
  // After an entry without a key there are no others; before one with a key there are none without.
  if (place.after?.key !== null)
    stretches.push({ where: { AND: withKey(column, isNullable, sides) }, orderBy });
  if (isNullable && place.before?.key == null)
    stretches.push({ where: { AND: withoutKey(column, sides) }, orderBy });
  return place.backward ? stretches.reverse() : stretches;
}

/** That entries lie on one side of a cursor: `gt` where ids and keys are larger. */
interface Side {
  cursor: Cursor;
  operator: 'gt' | 'lt';
}

function sidesOf(order: Order, { after, before }: PagePlace): Side[] {
  const [beyond, within] = order === 'asc' ? (['gt', 'lt'] as const) : (['lt', 'gt'] as const);
  const sides = [
    { cursor: after, operator: beyond },
    { cursor: before, operator: within },
  ];
  return sides.flatMap(({ cursor, operator }) => (cursor ? [{ cursor, operator }] : []));
}

function besideIds(sides: readonly Side[]): Condition {
  if (sides.length === 0) return {};
  return { id: Object.fromEntries(sides.map(({ cursor, operator }) => [operator, cursor.id])) };
}

function withKey(column: string, isNullable: boolean, sides: readonly Side[]): Condition[] {
  const beside = sides.flatMap(({ cursor: { id, key }, operator }) => {
    if (key == null) return [];
    // The first says nothing that the second does not, but an index can begin with it.
    return [
      { [column]: { [`${operator}e`]: key } },
      { OR: [{ [column]: { [operator]: key } }, { id: { [operator]: id } }] },
    ];
  });
  return isNullable ? [{ [column]: { not: null } }, ...beside] : beside;
}

function withoutKey(column: string, sides: readonly Side[]): Condition[] {
  const without = sides.filter(({ cursor }) => cursor.key === null);
  return [{ [column]: { equals: null } }, besideIds(without)];
}
