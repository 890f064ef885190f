import { setTimeout as sleep } from 'node:timers/promises';
import { GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createCoalescer } from '../../../src/platform/concurrency/coalescer.ts';
import { type Deadline, withinDeadline } from '../../../src/platform/concurrency/deadline.ts';
import { createSemaphore, type Semaphore } from '../../../src/platform/concurrency/semaphore.ts';
import { type Database, isOutage } from '../../../src/platform/database/database.ts';
import { createApolloServer } from '../../../src/platform/graphql/apollo.ts';
import { createDocumentStore } from '../../../src/platform/graphql/document-store.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { inRequestScope } from '../../../src/platform/request-scope.ts';
import type { RunningServices } from '../../../src/platform/services.ts';
import { createTestServices } from '../../support/services.ts';

const SCOPE = { requestId: 'r', ip: '192.0.2.1', userAgent: null };

let services: RunningServices;
let db: Database;

beforeAll(async () => {
  services = await createTestServices();
  db = services.db;
});
afterAll(() => services.close());

/** A deadline in `ms` milliseconds. */
const left = (ms: number): Deadline => {
  const endsAt = performance.now() + ms;
  return { leftMs: () => Math.max(0, endsAt - performance.now()), extend: () => {} };
};
/** Awaits inside the scope, because Prisma starts a query only when it is awaited. */
const inTime = <T>(ms: number, work: () => Promise<T>) =>
  inRequestScope({ ...SCOPE, deadline: left(ms) }, async () => await work());

const addUser = (on: Pick<Database, 'user'> = db) => on.user.create({ data: {} });
const nap = (seconds: number, on: Pick<Database, '$queryRaw'> = db) =>
  on.$queryRaw`SELECT pg_sleep(${seconds})::text`;

/** When a statement of 200 ms ran, in milliseconds by PostgreSQL's clock. */
async function interval(on: Pick<Database, '$queryRaw'>): Promise<{ from: number; to: number }> {
  const [row] = await on.$queryRaw<{ from: Date; to: Date }[]>`
    SELECT clock_timestamp() AS "from", clock_timestamp() + interval '200 ms' AS "to", pg_sleep(0.2)::text`;
  return { from: Number(row?.from), to: Number(row?.to) };
}

/** Slots that are free, up to two. */
async function countFree(slots: Semaphore): Promise<number> {
  let running = 0;
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const hold = () => {
    running += 1;
    return held;
  };
  const works = [slots(hold), slots(hold)];
  await sleep(20);
  const counted = running;
  release();
  await Promise.all(works);
  return counted;
}

describe('withinDeadline', () => {
  it('returns the result of work that finishes in time', async () => {
    expect(
      await withinDeadline(
        1_000,
        async () => 'done',
        () => 'late',
      ),
    ).toBe('done');
  });

  it('does not wait for work that misses the deadline', async () => {
    const startedAt = performance.now();

    expect(
      await withinDeadline(
        50,
        () => new Promise(() => {}),
        () => 'late',
      ),
    ).toBe('late');
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it('can be extended, and never passes once the work has finished', async () => {
    let captured: Deadline | undefined;
    const outcome = await withinDeadline(
      50,
      async (deadline) => {
        captured = deadline;
        deadline.extend(5_000);
        await sleep(100);
        return 'done';
      },
      () => 'late',
    );

    expect(outcome).toBe('done');
    expect(captured?.leftMs()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('deadlineAdapter', () => {
  it.each([
    ['statements', () => interval(db)],
    ['transactions', () => db.$transaction((tx) => interval(tx))],
  ])('runs two %s of a request with two slots at the same time', async (_what, work) => {
    const statements = createSemaphore(2);

    const intervals = await inRequestScope({ ...SCOPE, statements }, () =>
      Promise.all(Array.from({ length: 6 }, async () => work())),
    );

    const overlaps = intervals.map(({ from }) =>
      intervals.filter((each) => each.from <= from && from < each.to),
    );
    expect(Math.max(...overlaps.map(({ length }) => length))).toBe(2);
    expect(await countFree(statements)).toBe(2);
  });

  it('frees the slots of transactions that fail', async () => {
    const statements = createSemaphore(2);
    const fails = () => db.$transaction((tx) => tx.$queryRaw`SELECT 1 / 0`);

    await inRequestScope({ ...SCOPE, statements }, () =>
      Promise.allSettled(Array.from({ length: 6 }, async () => fails())),
    );

    expect(await countFree(statements)).toBe(2);
  });

  it('runs statements in a transaction although the request has no other slot', async () => {
    const scope = { ...SCOPE, statements: createSemaphore(1) };

    const work = () => db.$transaction(async (tx) => [await nap(0, tx), await nap(0, tx)]);

    expect(await inRequestScope(scope, async () => work())).toHaveLength(2);
  });

  it('starts no statement after the deadline', async () => {
    const before = await db.user.count();
    const refused = await inTime(0, () => addUser()).catch((error: unknown) => error);
    const refusedTransaction = await inTime(0, () => db.$transaction((tx) => addUser(tx))).catch(
      (error: unknown) => error,
    );

    expect(isOutage(refused)).toBe(true);
    expect(isOutage(refusedTransaction)).toBe(true);
    expect(await db.user.count()).toBe(before);
  });

  it('lets PostgreSQL cancel a statement at the deadline, alone and in a transaction', async () => {
    for (const work of [() => nap(20), () => db.$transaction((tx) => nap(20, tx))]) {
      const startedAt = performance.now();
      const error = await inTime(300, work).catch((fault: unknown) => fault);

      expect(isOutage(error)).toBe(true);
      expect(performance.now() - startedAt).toBeLessThan(3_000);
    }
    const sleeping = await db.$queryRaw<unknown[]>`
      SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '%pg_sleep%'
        AND pid <> pg_backend_pid()`;
    expect(sleeping).toEqual([]);
  });

  it('does not commit after the deadline, because the client has received an error', async () => {
    const before = await db.user.count();
    const late = { isPast: false };
    const deadline: Deadline = { leftMs: () => (late.isPast ? 0 : 60_000), extend: () => {} };
    const error = await inRequestScope({ ...SCOPE, deadline }, () =>
      db.$transaction(async (tx) => {
        await addUser(tx);
        late.isPast = true;
      }),
    ).catch((fault: unknown) => fault);

    expect(isOutage(error)).toBe(true);
    expect(await db.user.count()).toBe(before);
    // The connection has returned to the pool without an open transaction.
    const open = await db.$queryRaw<unknown[]>`
      SELECT FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`;
    expect(open).toEqual([]);
  });

  it('restores the statement_timeout of connections', async () => {
    await inTime(300, () => addUser());
    await inTime(300, () => db.$transaction((tx) => addUser(tx)));

    for (let time = 0; time < 20; time++) {
      expect(await db.$queryRaw`SHOW statement_timeout`).toEqual([{ statement_timeout: '5s' }]);
    }
  });

  it('does not affect statements long before the deadline or outside a request', async () => {
    await expect(inTime(60_000, () => addUser())).resolves.toMatchObject({ id: expect.any(String) });
    await expect(addUser()).resolves.toMatchObject({ id: expect.any(String) });
  });
});

describe('a coalescer that a late request has started', () => {
  it('continues for other requests', async () => {
    const coalescer = createCoalescer({
      run: async (names: string[]) => {
        await nap(0.05);
        return names.map((value) => ({ status: 'fulfilled' as const, value }));
      },
      overloaded: () => new Error('overloaded'),
    });
    const first = inTime(10, () => coalescer.add('first'));
    await sleep(20);

    expect(await Promise.all([first, coalescer.add('second')])).toEqual(['first', 'second']);
  });
});

describe('an operation over HTTP', () => {
  const log = createLogger('silent');
  const steps: string[] = [];
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({
      name: 'Query',
      fields: {
        slow: {
          type: new GraphQLNonNull(GraphQLString),
          resolve: async () => {
            await nap(1);
            steps.push('slept');
            await addUser();
            steps.push('added');
            return 'done';
          },
        },
      },
    }),
  });

  it('returns SERVICE_UNAVAILABLE at the deadline, and performs no later steps', async () => {
    const apollo = createApolloServer({
      ...{
        documents: createDocumentStore(schema),
        log,
        onError: () => {},
        mayIntrospect: () => true,
        operationMs: 200,
      },
      beforeRun: async () => {},
      charge: async () => {},
      afterMutation: () => {},
    });
    await apollo.start();
    const before = await db.user.count();
    const startedAt = performance.now();
    const { status, body } = await inRequestScope(SCOPE, () =>
      apollo.executeHTTPGraphQLRequest({
        httpGraphQLRequest: {
          method: 'POST',
          headers: new Map([['content-type', 'application/json']]) as never,
          search: '',
          body: { query: '{ slow }' },
        },
        context: async () => ({}),
      }),
    );

    expect(performance.now() - startedAt).toBeLessThan(900);
    expect(status).toBe(200);
    expect(JSON.parse(body.kind === 'complete' ? body.string : '')).toMatchObject({
      data: null,
      errors: [{ extensions: { code: 'SERVICE_UNAVAILABLE', retryable: true, requestId: 'r' } }],
    });
    await vi.waitFor(async () => {
      const [running] = await db.$queryRaw<{ count: bigint }[]>`
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
          AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()`;
      expect(running?.count).toBe(0n);
    });
    await apollo.stop();
    expect(steps).toEqual([]);
    expect(await db.user.count()).toBe(before);
  });
});
