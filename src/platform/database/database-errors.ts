/** Where Prisma, its adapter and pg keep what lies beneath an error. */
const BENEATH = ['cause', 'meta', 'driverAdapterError', 'errors'] as const;

/** Prisma's own codes for: not reachable, timed out, closed, no slot in the pool, no transaction, too many connections. */
const AWAY_CODES = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2037']);
const SOCKET_CODES =
  /^(ECONN(REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT)$/;
const AWAY_KINDS = new Set([
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TooManyConnections',
]);
// What pg says without any code.
const AWAY_MESSAGES =
  /connection terminated|not queryable|client was closed|query read timeout|timeout exceeded when trying to connect|timeout expired|pool after calling end/i;
// 25P03: the transaction was idle for too long, so its connection is gone.
const AWAY_STATES = /^(08|53|57)|^(40001|40P01|55P03|25P03)$/;

/**
 * The SQLSTATE that PostgreSQL gave, wherever it lies in the error; undefined when it did not come that far.
 */
export function sqlState(error: unknown): string | undefined {
  for (const { originalCode, code, severity } of layers(error)) {
    if (isSqlState(originalCode)) return originalCode;
    // Node and Prisma have codes of five characters, too (EPIPE, P2002); only PostgreSQL's have a severity.
    if (isSqlState(code) && typeof severity === 'string') return code;
  }
  return undefined;
}

/**
 * Whether the database was away, overloaded or in the way of itself: nothing is wrong with what was asked,
 * and the same may succeed a moment later. Whether it was done is unknown when the connection broke.
 */
export function isOutage(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined) return AWAY_STATES.test(state);
  return layers(error).some(
    ({ code, kind, message }) =>
      (typeof code === 'string' && (AWAY_CODES.has(code) || SOCKET_CODES.test(code))) ||
      (typeof kind === 'string' && AWAY_KINDS.has(kind)) ||
      (typeof message === 'string' && AWAY_MESSAGES.test(message)),
  );
}

/** Whether two transactions were in each other's way, and this one was rolled back whole: worth repeating at once. */
export function isConflict(error: unknown): boolean {
  const state = sqlState(error);
  return state === '40001' || state === '40P01';
}

/** The name of the unique, check or foreign key constraint that refused, through the ORM and raw SQL alike. */
export function violatedConstraint(error: unknown): string | undefined {
  if (!sqlState(error)?.startsWith('23')) return undefined;
  const all = layers(error);
  const named = all.map(constraintField).find((name) => name !== undefined);
  // The adapter drops the name of a check, but not the sentence it stands in.
  return named ?? all.map(constraintInSentence).find((name) => name !== undefined);
}

function constraintField({ constraint }: Layer): string | undefined {
  if (typeof constraint === 'string') return constraint;
  return isObject(constraint) && typeof constraint.index === 'string' ? constraint.index : undefined;
}

function constraintInSentence({ originalMessage, message }: Layer): string | undefined {
  return /constraint "([^"]+)"/.exec(String(originalMessage ?? message ?? ''))?.[1];
}

type Layer = Record<string, unknown>;

/** The error and everything beneath it, outermost first. */
function layers(error: unknown, seen: Set<unknown> = new Set()): Layer[] {
  if (!isObject(error) || seen.has(error)) return [];
  seen.add(error);
  const beneath = BENEATH.flatMap((key) => error[key]).flatMap((value) => layers(value, seen));
  return [error, ...beneath];
}

function isObject(value: unknown): value is Layer {
  return typeof value === 'object' && value !== null;
}

function isSqlState(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9A-Z]{5}$/.test(value);
}
