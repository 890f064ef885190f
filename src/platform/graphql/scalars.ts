import { GraphQLError, GraphQLScalarType, Kind } from 'graphql';
import { GraphQLJSON } from 'graphql-scalars';

const LARGEST = 2n ** 63n - 1n;

function toBigInt(value: unknown): bigint {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== 'string' || !/^-?\d{1,19}$/.test(text)) {
    throw new GraphQLError('BigInt must be a decimal string, like "1073741824".');
  }
  const number = BigInt(text);
  if (number > LARGEST || number < -LARGEST - 1n) throw new GraphQLError('BigInt must fit in 64 bits.');
  return number;
}

/** A decimal string in JSON: many clients parse JSON numbers as doubles and would lose digits. */
export const BigIntScalar = new GraphQLScalarType<bigint, string>({
  name: 'BigInt',
  description: 'A signed 64-bit integer, serialized as a decimal string: `"1073741824"`.',
  serialize: (value) => BigInt(value as bigint).toString(),
  parseValue: toBigInt,
  parseLiteral: (node) =>
    toBigInt(node.kind === Kind.STRING || node.kind === Kind.INT ? node.value : undefined),
});

const RFC_3339 = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
// Excludes years that JavaScript can represent and a PostgreSQL query would reject.
const FIRST = new Date('0001-01-01T00:00:00.000Z');
const LAST = new Date('9999-12-31T23:59:59.999Z');

function toDate(value: unknown): Date {
  const [text, day] = (typeof value === 'string' && RFC_3339.exec(value)) || [];
  const date = new Date(text ?? Number.NaN);
  if (!isCalendarDay(day) || !(date >= FIRST && date <= LAST)) {
    throw new GraphQLError('DateTime must be an RFC 3339 time, like "2026-01-31T12:00:00.000Z".');
  }
  return date;
}

/** Rejects days such as 30 February, which `Date` would parse as 2 March. */
function isCalendarDay(day = ''): boolean {
  const midnight = new Date(`${day}T00:00:00.000Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day);
}

export const DateTimeScalar = new GraphQLScalarType<Date, string>({
  name: 'DateTime',
  description: 'An RFC 3339 timestamp, in UTC with milliseconds: `"2026-01-31T12:00:00.000Z"`.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc3339',
  serialize: (value) => (value as Date).toISOString(),
  parseValue: toDate,
  parseLiteral: (node) => toDate(node.kind === Kind.STRING ? node.value : undefined),
});

export const JsonScalar = new GraphQLScalarType({
  ...GraphQLJSON.toConfig(),
  name: 'JSON',
  description: 'Any JSON value. Each field documents the structure it expects, if any.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc8259',
});
