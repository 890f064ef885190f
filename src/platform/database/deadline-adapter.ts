import {
  DriverAdapterError,
  type SqlDriverAdapter,
  type SqlDriverAdapterFactory,
  type SqlQuery,
  type SqlQueryable,
  type Transaction,
} from '@prisma/driver-adapter-utils';
import { requestScope } from '../request-scope.ts';

/** The server itself ends a statement after `statement_timeout`; one that would outlive its request by less is left to it. */
const SLACK_MS = 1_000;

/**
 * An adapter through which no statement outlives the request that sent it: late ones get a `statement_timeout` that
 * ends with the request, and after the deadline none begins and nothing is committed. Work outside of a request is not
 * touched.
 *
 * @param statementMs the `statement_timeout` of every connection
 */
export function deadlineAdapter(
  factory: SqlDriverAdapterFactory,
  { statementMs }: { statementMs: number },
): SqlDriverAdapterFactory {
  return {
    provider: factory.provider,
    adapterName: factory.adapterName,
    connect: async () => timely(await factory.connect(), statementMs),
  };
}

function timely(adapter: SqlDriverAdapter, statementMs: number): SqlDriverAdapter {
  const runAlone = async <Result>(run: (on: SqlQueryable) => Promise<Result>): Promise<Result> => {
    const leftMs = timeLeft();
    if (leftMs >= statementMs - SLACK_MS) return run(adapter);
    const transaction = await adapter.startTransaction();
    return alone(transaction, () => limited(transaction, leftMs, run));
  };
  return override(adapter, {
    queryRaw: (query: SqlQuery) => runAlone((on) => on.queryRaw(query)),
    executeRaw: (query: SqlQuery) => runAlone((on) => on.executeRaw(query)),
    startTransaction: async (isolationLevel) => {
      timeLeft();
      return timelyTransaction(await adapter.startTransaction(isolationLevel), statementMs);
    },
  } satisfies Partial<SqlDriverAdapter>);
}

function timelyTransaction(transaction: Transaction, statementMs: number): Transaction {
  const run = async <Result>(work: (on: SqlQueryable) => Promise<Result>): Promise<Result> => {
    const leftMs = timeLeft();
    if (leftMs >= statementMs - SLACK_MS) return work(transaction);
    return limited(transaction, leftMs, work);
  };
  return override(transaction, {
    queryRaw: (query: SqlQuery) => run((on) => on.queryRaw(query)),
    executeRaw: (query: SqlQuery) => {
      // The client has been told that it was not done: it must not be done after all.
      if (query.sql === 'COMMIT' && isTooLate()) return rollBack(transaction);
      return isControl(query) ? transaction.executeRaw(query) : run((on) => on.executeRaw(query));
    },
  } satisfies Partial<Transaction>);
}

/** @throws DriverAdapterError when there is none left: what is asked for so late is not wanted any more */
function timeLeft(): number {
  if (isTooLate()) throw tooLate();
  return requestScope()?.deadline?.leftMs() ?? Number.POSITIVE_INFINITY;
}

const isTooLate = () => requestScope()?.deadline?.leftMs() === 0;

/** Counts as an outage, like every other thing that took too long. */
const tooLate = () => new DriverAdapterError({ kind: 'SocketTimeout' });

const isControl = ({ sql }: SqlQuery) => /^(COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b/.test(sql);

const statement = (sql: string): SqlQuery => ({ sql, args: [], argTypes: [] });

async function limited<Result>(
  transaction: Transaction,
  leftMs: number,
  run: (on: SqlQueryable) => Promise<Result>,
): Promise<Result> {
  await transaction.executeRaw(statement(`SET LOCAL statement_timeout = ${Math.ceil(leftMs)}`));
  return run(transaction);
}

/** A transaction around one statement, which has its timeout to itself. */
async function alone<Result>(transaction: Transaction, work: () => Promise<Result>): Promise<Result> {
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

/** The same object but for some of its methods. */
function override<T extends object>(object: T, methods: Partial<T>): T {
  return Object.assign(Object.create(object) as T, methods);
}
