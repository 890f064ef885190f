import {
  DriverAdapterError,
  type SqlDriverAdapter,
  type SqlDriverAdapterFactory,
  type SqlQuery,
  type SqlQueryable,
  type Transaction,
} from '@prisma/driver-adapter-utils';
import { requestScope } from '../request-scope.ts';
import { inSpan, isTraced } from '../telemetry/tracing.ts';

/**
 * A statement that could outlive its request by less than this keeps the default
 * `statement_timeout`.
 */
const SLACK_MS = 1_000;

/**
 * Wraps an adapter so that no statement outlives the request that sent it. Close to the deadline,
 * statements get a `statement_timeout` that ends with the request; after it, no statement starts
 * and nothing is committed. Of one request, a few statements and transactions run at the same time.
 * Work outside a request is unaffected.
 *
 * @param statementMs the default `statement_timeout` of the connections
 */
export function deadlineAdapter(
  factory: SqlDriverAdapterFactory,
  { statementMs }: { statementMs: number },
): SqlDriverAdapterFactory {
  return {
    provider: factory.provider,
    adapterName: factory.adapterName,
    connect: async () => limitAdapter(await factory.connect(), statementMs),
  };
}

function limitAdapter(adapter: SqlDriverAdapter, statementMs: number): SqlDriverAdapter {
  const runSingle = async <Result>(run: (on: SqlQueryable) => Promise<Result>): Promise<Result> => {
    const leftMs = timeLeft();
    if (leftMs >= statementMs - SLACK_MS) return run(adapter);
    const transaction = await adapter.startTransaction();
    return inTransaction(transaction, () => withStatementTimeout(transaction, leftMs, run));
  };
  return override(adapter, {
    queryRaw: (query: SqlQuery) => traced(query, () => inSlot(() => runSingle((on) => on.queryRaw(query)))),
    executeRaw: (query: SqlQuery) =>
      traced(query, () => inSlot(() => runSingle((on) => on.executeRaw(query)))),
    startTransaction: async (isolationLevel) => {
      const release = await takeSlot();
      try {
        timeLeft();
        const transaction = await adapter.startTransaction(isolationLevel);
        return releasing(limitTransaction(transaction, statementMs), release);
      } catch (error) {
        release();
        throw error;
      }
    },
  } satisfies Partial<SqlDriverAdapter>);
}

/**
 * Runs a single statement in a slot of its request, so that one request cannot occupy the pool. A
 * transaction keeps its slot until it ends; its own statements need none.
 */
function inSlot<Result>(run: () => Promise<Result>): Promise<Result> {
  return requestScope()?.statements?.(run) ?? run();
}

/** @returns a function that returns the slot */
async function takeSlot(): Promise<() => void> {
  const slots = requestScope()?.statements;
  if (!slots) return () => {};
  return new Promise((taken) => {
    void slots(() => new Promise<void>((release) => taken(release)));
  });
}

function releasing(transaction: Transaction, release: () => void): Transaction {
  return override(transaction, {
    commit: () => transaction.commit().finally(release),
    rollback: () => transaction.rollback().finally(release),
  } satisfies Partial<Transaction>);
}

function limitTransaction(transaction: Transaction, statementMs: number): Transaction {
  const run = async <Result>(work: (on: SqlQueryable) => Promise<Result>): Promise<Result> => {
    const leftMs = timeLeft();
    if (leftMs >= statementMs - SLACK_MS) return work(transaction);
    return withStatementTimeout(transaction, leftMs, work);
  };
  return override(transaction, {
    queryRaw: (query: SqlQuery) => traced(query, () => run((on) => on.queryRaw(query))),
    executeRaw: (query: SqlQuery) => {
      // The client has already received SERVICE_UNAVAILABLE: the transaction must not commit.
      if (query.sql === 'COMMIT' && isTooLate()) return rollBack(transaction);
      return traced(query, () =>
        isControl(query) ? transaction.executeRaw(query) : run((on) => on.executeRaw(query)),
      );
    },
  } satisfies Partial<Transaction>);
}

const MAX_SQL_IN_TRACE = 1_000;

/** Records the statement in the trace of the request: its text, which has no values. */
const traced = <Result>({ sql }: SqlQuery, work: () => Promise<Result>): Promise<Result> =>
  isTraced()
    ? inSpan(
        /\w+/.exec(sql)?.[0]?.toUpperCase() ?? 'SQL',
        {
          kind: 'client',
          attributes: { 'db.system.name': 'postgresql', 'db.query.text': sql.slice(0, MAX_SQL_IN_TRACE) },
        },
        work,
      )
    : work();

/**
 * Milliseconds until the deadline; infinite without one.
 *
 * @throws DriverAdapterError after the deadline
 */
function timeLeft(): number {
  if (isTooLate()) throw tooLate();
  return requestScope()?.deadline?.leftMs() ?? Number.POSITIVE_INFINITY;
}

const isTooLate = () => requestScope()?.deadline?.leftMs() === 0;

/** `isOutage` recognizes it, like other timeouts. */
const tooLate = () => new DriverAdapterError({ kind: 'SocketTimeout' });

const isControl = ({ sql }: SqlQuery) => /^(COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b/.test(sql);

const statement = (sql: string): SqlQuery => ({ sql, args: [], argTypes: [] });

async function withStatementTimeout<Result>(
  transaction: Transaction,
  leftMs: number,
  run: (on: SqlQueryable) => Promise<Result>,
): Promise<Result> {
  await transaction.executeRaw(statement(`SET LOCAL statement_timeout = ${Math.ceil(leftMs)}`));
  return run(transaction);
}

/** Wraps one statement in a transaction, because SET LOCAL needs one. */
async function inTransaction<Result>(transaction: Transaction, work: () => Promise<Result>): Promise<Result> {
  try {
    const result = await work();
    await transaction.executeRaw(statement('COMMIT'));
    await transaction.commit();
    return result;
  } catch (error) {
    await transaction.executeRaw(statement('ROLLBACK')).catch(() => {});
    await transaction.rollback();
    throw error;
  }
}

async function rollBack(transaction: Transaction): Promise<never> {
  await transaction.executeRaw(statement('ROLLBACK'));
  throw tooLate();
}

/** An object that inherits from this one, with some methods replaced. */
function override<T extends object>(object: T, methods: Partial<T>): T {
  return Object.assign(Object.create(object) as T, methods);
}
