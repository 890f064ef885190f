import { setTimeout as sleep } from 'node:timers/promises';
import { GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createCoalescer } from '../../../src/platform/concurrency/coalescer.ts';
import { type Deadline, withinDeadline } from '../../../src/platform/concurrency/deadline.ts';
import { type Database, isOutage } from '../../../src/platform/database/database.ts';
import { createApolloServer } from '../../../src/platform/graphql/apollo.ts';
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

/** A deadline that has so much left. */
const left = (ms: number): Deadline => {
  const endsAt = performance.now() + ms;
  return { leftMs: () => Math.max(0, endsAt - performance.now()), extend: () => {} };
};
/** Prisma begins a query only when somebody waits for it: he must be in the scope, too. */
const inTime = <T>(ms: number, work: () => Promise<T>) =>
  inRequestScope({ ...SCOPE, deadline: left(ms) }, async () => await work());

const addUser = (on: Pick<Database, 'user'> = db) => on.user.create({ data: {} });
const nap = (seconds: number, on: Pick<Database, '$queryRaw'> = db) =>
  on.$queryRaw`SELECT pg_sleep(${seconds})::text`;

describe('withinDeadline', () => {
  it('gives the result of work that is in time', async () => {
    expect(
      await withinDeadline(
        1_000,
        async () => 'done',
        () => 'late',
      ),
    ).toBe('done');
  });

  it('does not wait for work that takes longer', async () => {
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

  it('can be extended, and is lifted once the work has been done', async () => {
    let kept: Deadline | undefined;
    const outcome = await withinDeadline(
      50,
      async (deadline) => {
        kept = deadline;
        deadline.extend(5_000);
        await sleep(100);
        return 'done';
      },
      () => 'late',
    );

    expect(outcome).toBe('done');
    expect(kept?.leftMs()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('SQL of a request that is over its deadline', () => {
  it('does not begin', async () => {
    const before = await db.user.count();
    const refused = await inTime(0, () => addUser()).catch((error: unknown) => error);
    const refusedTransaction = await inTime(0, () => db.$transaction((tx) => addUser(tx))).catch(
      (error: unknown) => error,
    );

    expect(isOutage(refused)).toBe(true);
    expect(isOutage(refusedTransaction)).toBe(true);
    expect(await db.user.count()).toBe(before);
  });

  it('is ended by PostgreSQL, alone and in a transaction', async () => {
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

  it('is not committed: who was told that it was not done finds it not done', async () => {
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
    // Its connection has gone back to the pool without a transaction in it.
    const open = await db.$queryRaw<unknown[]>`
      SELECT FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`;
    expect(open).toEqual([]);
  });

  it('leaves connections as they were', async () => {
    await inTime(300, () => addUser());
    await inTime(300, () => db.$transaction((tx) => addUser(tx)));

    for (let time = 0; time < 20; time++) {
      expect(await db.$queryRaw`SHOW statement_timeout`).toEqual([{ statement_timeout: '5s' }]);
    }
  });

  it('runs as ever while there is time, and outside of requests', async () => {
    await expect(inTime(60_000, () => addUser())).resolves.toMatchObject({ id: expect.any(String) });
    await expect(addUser()).resolves.toMatchObject({ id: expect.any(String) });
  });
});

describe('a batch that a late request has begun', () => {
  it('goes on for the others', async () => {
    const batcher = createCoalescer({
      run: async (names: string[]) => {
        await nap(0.05);
        return names.map((value) => ({ status: 'fulfilled' as const, value }));
      },
      overloaded: () => new Error('overloaded'),
    });
    const first = inTime(10, () => batcher.add('first'));
    await sleep(20);

    expect(await Promise.all([first, batcher.add('second')])).toEqual(['first', 'second']);
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

  it('is answered in time with SERVICE_UNAVAILABLE, and what it would still have done is not done', async () => {
    const apollo = createApolloServer({
      ...{ schema, log, onError: () => {}, mayIntrospect: () => true, operationMs: 200 },
      beforeRun: async () => {},
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
