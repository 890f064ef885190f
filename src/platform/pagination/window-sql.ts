import { Prisma } from '../../generated/prisma/client.ts';
import type { Key } from './cursor.ts';
import type { Window } from './page.ts';

/** A window as parts of a SQL query. */
export interface WindowSql {
  where: Prisma.Sql;
  orderBy: Prisma.Sql;
  limit: number;
}

/** A column that a list is sorted by. */
export interface SortColumn {
  /** With its table, as in `o.id`. */
  name: string;
  type: 'uuid' | 'timestamptz' | 'text';
}

/** Any condition of a window. */
interface Condition {
  AND?: Condition[];
  OR?: Condition[];
  [column: string]: unknown;
}

const OPERATORS = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;

/**
 * Writes a window as SQL, for lists with long pages: compiling and decoding a `findMany` costs more
 * than a raw query (docs/performance.md).
 *
 * @param columns by the names that the list uses for them
 */
export function windowSql<Columns extends Record<string, Key>>(
  { where, orderBy, take }: Window<Columns>,
  columns: Readonly<Record<'id' | (keyof Columns & string), SortColumn>>,
): WindowSql {
  const columnOf = (name: string) => {
    const column = (columns as Record<string, SortColumn | undefined>)[name];
    if (!column) throw new Error(`the list has no column ${name}`);
    return column;
  };
  return {
    where: sqlOf(where as Condition, columnOf),
    orderBy: Prisma.raw(
      orderBy
        .flatMap((by) => Object.entries(by))
        .map(([name, direction]) => `${columnOf(name).name} ${direction === 'asc' ? 'ASC' : 'DESC'}`)
        .join(', '),
    ),
    limit: take,
  };
}

type ColumnOf = (name: string) => SortColumn;

function sqlOf(condition: Condition, columnOf: ColumnOf): Prisma.Sql {
  const parts = Object.entries(condition).flatMap(([name, value]) => {
    if (name === 'AND') return (value as Condition[]).map((part) => sqlOf(part, columnOf));
    if (name === 'OR') {
      const ways = (value as Condition[]).map((part) => sqlOf(part, columnOf));
      return [Prisma.sql`(${Prisma.join(ways, ' OR ')})`];
    }
    return Object.entries(value as object).map(([operator, bound]) =>
      comparison(columnOf(name), operator, bound as Key),
    );
  });
  return parts.length === 0 ? Prisma.sql`true` : Prisma.sql`${Prisma.join(parts, ' AND ')}`;
}

function comparison({ name, type }: SortColumn, operator: string, bound: Key): Prisma.Sql {
  const column = Prisma.raw(name);
  if (operator === 'equals') return Prisma.sql`${column} IS NULL`;
  if (operator === 'not') return Prisma.sql`${column} IS NOT NULL`;
  const sign = Prisma.raw(OPERATORS[operator as keyof typeof OPERATORS]);
  return Prisma.sql`${column} ${sign} ${bound}${Prisma.raw(`::${type}`)}`;
}
