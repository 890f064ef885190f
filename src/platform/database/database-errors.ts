/** Fields in which Prisma, its adapter and pg keep the cause of an error. */
const CAUSES = ['cause', 'meta', 'driverAdapterError', 'errors'] as const;

/**
 * Prisma's codes for: unreachable, timed out, closed, pool exhausted, transaction API error, too
 * many connections.
 */
const OUTAGE_CODES = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2037']);
const SOCKET_CODES =
  /^(ECONN(REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT)$/;
const OUTAGE_KINDS = new Set([
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TooManyConnections',
]);
// Messages of pg errors that have no code.
const OUTAGE_MESSAGES =
  /connection terminated|not queryable|client was closed|query read timeout|timeout exceeded when trying to connect|timeout expired|pool after calling end/i;
// 25P03: PostgreSQL closed the connection because the transaction was idle for too long.
const OUTAGE_STATES = /^(08|53|57)|^(40001|40P01|55P03|25P03)$/;

/** Finds the SQLSTATE at any depth of the error; undefined if PostgreSQL did not answer. */
export function sqlState(error: unknown): string | undefined {
  for (const { originalCode, code, severity } of layers(error)) {
    if (isSqlState(originalCode)) return originalCode;
    // Codes of Node and Prisma may have five characters, too (EPIPE, P2002). Only PostgreSQL's have
    // a severity.
    if (isSqlState(code) && typeof severity === 'string') return code;
  }
  return undefined;
}

/**
 * Recognizes an unavailable or overloaded database and conflicts between transactions: the same
 * request may succeed later. If the connection broke, it is unknown whether the statement ran.
 */
export function isOutage(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined) return OUTAGE_STATES.test(state);
  return layers(error).some(
    ({ code, kind, message }) =>
      (typeof code === 'string' && (OUTAGE_CODES.has(code) || SOCKET_CODES.test(code))) ||
      (typeof kind === 'string' && OUTAGE_KINDS.has(kind)) ||
      (typeof message === 'string' && OUTAGE_MESSAGES.test(message)),
  );
}

/**
 * Recognizes serialization failures and deadlocks. The transaction was rolled back, so a retry is
 * safe.
 */
export function isConflict(error: unknown): boolean {
  const state = sqlState(error);
  return state === '40001' || state === '40P01';
}

/** The name of the violated unique, check or foreign key constraint, from the ORM or raw SQL. */
export function violatedConstraint(error: unknown): string | undefined {
  if (!sqlState(error)?.startsWith('23')) return undefined;
  const all = layers(error);
  const named = all.map(constraintField).find((name) => name !== undefined);
  // The adapter drops the name of a check constraint, but keeps the message that contains it.
  return named ?? all.map(constraintInMessage).find((name) => name !== undefined);
}

function constraintField({ constraint }: Layer): string | undefined {
  if (typeof constraint === 'string') return constraint;
  return isObject(constraint) && typeof constraint.index === 'string' ? constraint.index : undefined;
}

function constraintInMessage({ originalMessage, message }: Layer): string | undefined {
  return /constraint "([^"]+)"/.exec(String(originalMessage ?? message ?? ''))?.[1];
}

type Layer = Record<string, unknown>;

/** The error and its causes, outermost first. */
function layers(error: unknown, seen: Set<unknown> = new Set()): Layer[] {
  if (!isObject(error) || seen.has(error)) return [];
  seen.add(error);
  const causes = CAUSES.flatMap((key) => error[key]).flatMap((value) => layers(value, seen));
  return [error, ...causes];
}

function isObject(value: unknown): value is Layer {
  return typeof value === 'object' && value !== null;
}

function isSqlState(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9A-Z]{5}$/.test(value);
}
