import { spawnSync } from 'node:child_process';
import { kill } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  createDatabase,
  type Database,
  isConflict,
  isOutage,
  lostSessionSettings,
  sqlState,
  type Transaction,
  violatedConstraint,
} from '../../../src/platform/database/database.ts';
import { withRetry } from '../../../src/platform/database/retry.ts';
import { createTestDatabase } from '../../support/database.ts';

let server: Awaited<ReturnType<typeof createTestDatabase>>;
let db: Database;
let admin: pg.Client;
const warn = vi.fn();
const log = { warn };

beforeAll(async () => {
  server = await createTestDatabase();
  db = createDatabase({ url: server.url, log });
  admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  await admin.query('CREATE TABLE numbers (id int PRIMARY KEY, value int NOT NULL)');
  await admin.query('INSERT INTO numbers SELECT id, 0 FROM generate_series(1, 10) id');
});
afterAll(async () => {
  await admin.end();
  await db.$disconnect();
  await server.drop();
});

const errorOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    (value) => Promise.reject(new Error(`It did not fail, but gave ${JSON.stringify(value)}`)),
    (error: unknown) => error,
  );
const what = (error: unknown) => ({
  state: sqlState(error),
  outage: isOutage(error),
  conflict: isConflict(error),
  constraint: violatedConstraint(error),
});
const OUTAGE = { outage: true, conflict: false, constraint: undefined };
const CONFLICT = { outage: true, conflict: true, constraint: undefined };
const MISTAKE = { outage: false, conflict: false };

const lockNumber = (tx: Transaction, id: number) =>
  tx.$queryRaw`SELECT id FROM numbers WHERE id = ${id} FOR UPDATE`;
async function backendOf(tx: Transaction): Promise<number> {
  const [row] = await tx.$queryRaw<[{ pid: number }]>`SELECT pg_backend_pid() AS pid`;
  return row.pid;
}
const terminate = (pid: number) => admin.query('SELECT pg_terminate_backend($1)', [pid]);

describe('createDatabase', () => {
  it('sets the time zone, timeouts and application name of every connection', async () => {
    const named = createDatabase({ url: server.url, log, applicationName: 'a test', poolSize: 1 });
    const [settings] = await named.$queryRaw<[object]>`
      SELECT current_setting('timezone') AS zone, current_setting('statement_timeout') AS statement,
        current_setting('lock_timeout') AS lock, current_setting('application_name') AS name,
        current_setting('idle_in_transaction_session_timeout') AS idle`;
    await named.$disconnect();

    expect(settings).toEqual({ zone: 'UTC', statement: '5s', lock: '3s', name: 'a test', idle: '8s' });
  });

  it('keeps these settings next to options in the URL, and switches JIT off', async () => {
    const url = new URL(server.url);
    url.searchParams.set('options', '-c work_mem=5MB -c timezone=Asia/Tokyo');
    const db = createDatabase({ url: url.href, log, poolSize: 1 });
    const [settings] = await db.$queryRaw<[object]>`
      SELECT current_setting('timezone') AS zone, current_setting('statement_timeout') AS statement,
        current_setting('work_mem') AS memory, current_setting('jit') AS jit`;
    const lost = await lostSessionSettings(db);
    await db.$disconnect();

    expect(settings).toEqual({ zone: 'UTC', statement: '5s', memory: '5MB', jit: 'off' });
    expect(lost).toEqual([]);
  });

  it('finds settings that a pooler has dropped', async () => {
    const db = createDatabase({ url: server.url, log, poolSize: 1 });
    await db.$executeRaw`SET timezone = 'Asia/Tokyo'`;
    await db.$executeRaw`SET lock_timeout = 0`;
    const lost = await lostSessionSettings(db);
    await db.$disconnect();

    expect(lost.map((statement) => statement.replace(/ROLE \S+/, 'ROLE x'))).toEqual([
      "ALTER ROLE x SET timezone = 'UTC';",
      "ALTER ROLE x SET lock_timeout = '3s';",
    ]);
  });

  it('opens at most poolSize connections', async () => {
    const small = createDatabase({ url: server.url, log, applicationName: 'small', poolSize: 3 });
    await Promise.all(Array.from({ length: 12 }, () => small.$queryRaw`SELECT pg_sleep(0.02)::text`));
    const { rows } = await admin.query(
      `SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 'small'`,
    );
    await small.$disconnect();

    expect(rows).toEqual([{ count: 3 }]);
  });

  it('logs broken idle connections, and replaces them', async () => {
    const fragile = createDatabase({ url: server.url, log, applicationName: 'fragile', poolSize: 3 });
    await Promise.all([1, 2, 3].map(() => fragile.$queryRaw`SELECT pg_sleep(0.02)::text`));
    warn.mockClear();

    await admin.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fragile'`,
    );
    await vi.waitFor(() => expect(warn).toHaveBeenCalledTimes(3));

    expect(await fragile.$queryRaw`SELECT 1 AS one`).toEqual([{ one: 1 }]);
    await fragile.$disconnect();
  });

  it('logs nothing about connections that break while it disconnects', async () => {
    const ending = createDatabase({ url: server.url, log, applicationName: 'ending', poolSize: 3 });
    await Promise.all([1, 2, 3].map(() => ending.$queryRaw`SELECT pg_sleep(0.02)::text`));
    warn.mockClear();
    // Terminated while this process is blocked, so it notices during the disconnect.
    const terminating = `const client = new (require('pg').Client)(process.argv[1]);
      client.connect()
        .then(() => client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ending'"))
        .then(() => client.end())`;
    expect(spawnSync(process.execPath, ['-e', terminating, server.url]).status).toBe(0);

    await ending.$disconnect();
    await sleep(50);

    expect(warn).not.toHaveBeenCalled();
  });

  it('commits a transaction as a whole or not at all', async () => {
    await db.$transaction((tx) => tx.$executeRaw`UPDATE numbers SET value = 7 WHERE id = 10`);
    await errorOf(
      db.$transaction(async (tx) => {
        await tx.$executeRaw`UPDATE numbers SET value = 8 WHERE id = 10`;
        throw new Error('no');
      }),
    );

    expect(await db.$queryRaw`SELECT value FROM numbers WHERE id = 10`).toEqual([{ value: 7 }]);
  });
});

describe('classification of database errors', () => {
  it('treats a deadlock as a conflict', async () => {
    const errors = await deadlock((tx, id) => tx.$executeRaw`UPDATE numbers SET value = 1 WHERE id = ${id}`);

    expect(errors.map(what)).toEqual([{ ...CONFLICT, state: '40P01' }]);
  });

  it('treats a deadlock through the ORM as a conflict', async () => {
    const [one, other] = await Promise.all([
      db.plan.create({ data: { name: 'a' } }),
      db.plan.create({ data: { name: 'b' } }),
    ]);
    const ids = [one.id, other.id];
    const errors = await deadlock((tx, number) =>
      tx.plan.update({ where: { id: ids[number - 1] ?? '' }, data: { quota: { increment: 1 } } }),
    );

    expect(errors.map(what)).toEqual([{ ...CONFLICT, state: '40P01' }]);
  });

  it('treats a serialization failure as a conflict', async () => {
    const error = await errorOf(
      db.$transaction(
        async (tx) => {
          await tx.$queryRaw`SELECT value FROM numbers WHERE id = 3`;
          await db.$executeRaw`UPDATE numbers SET value = value + 1 WHERE id = 3`;
          await tx.$executeRaw`UPDATE numbers SET value = value + 1 WHERE id = 3`;
        },
        { isolationLevel: 'RepeatableRead' },
      ),
    );

    expect(what(error)).toEqual({ ...CONFLICT, state: '40001' });
  });

  it('treats a serialization failure at COMMIT as a conflict', async () => {
    await admin.query('CREATE TABLE IF NOT EXISTS skew (id int PRIMARY KEY, value int)');
    await admin.query('INSERT INTO skew VALUES (1, 0), (2, 0)');
    const gate = meeting(2);
    const skew = (read: number, write: number) =>
      db.$transaction(
        async (tx) => {
          await tx.$queryRaw`SELECT sum(value) FROM skew`;
          await gate();
          await tx.$executeRaw`UPDATE skew SET value = ${read} WHERE id = ${write}`;
        },
        { isolationLevel: 'Serializable' },
      );

    const errors = rejections(await Promise.allSettled([skew(1, 2), skew(2, 1)]));

    expect(errors.map(what)).toEqual([{ ...CONFLICT, state: '40001' }]);
  });

  it('treats a lock timeout as an outage', async () => {
    const error = await db.$transaction(async (holder) => {
      await lockNumber(holder, 4);
      return errorOf(
        db.$transaction(async (tx) => {
          await tx.$executeRaw`SET LOCAL lock_timeout = 50`;
          await lockNumber(tx, 4);
        }),
      );
    });

    expect(what(error)).toEqual({ ...OUTAGE, state: '55P03' });
  });

  it('treats a statement timeout as an outage', async () => {
    const error = await errorOf(
      db.$transaction(async (tx) => {
        await tx.$executeRaw`SET LOCAL statement_timeout = 50`;
        await tx.$queryRaw`SELECT pg_sleep(2)::text`;
      }),
    );

    expect(what(error)).toEqual({ ...OUTAGE, state: '57014' });
  });

  it('treats a backend terminated during a statement as an outage', async () => {
    const outside = errorOf(db.$queryRaw`SELECT pg_sleep(3)::text AS ended`);
    await endStatement('%AS ended%');

    expect(what(await outside)).toMatchObject(OUTAGE);
  });

  it('treats a backend terminated during a transaction as an outage', async () => {
    const inStatement = errorOf(
      db.$transaction(async (tx) => {
        await tx.$executeRaw`UPDATE numbers SET value = 99 WHERE id = 5`;
        await tx.$queryRaw`SELECT pg_sleep(3)::text AS interrupted`;
      }),
    );
    await endStatement('%AS interrupted%');
    expect(what(await inStatement)).toMatchObject(OUTAGE);

    const between = await errorOf(
      db.$transaction(async (tx) => {
        await terminate(await backendOf(tx));
        await sleep(30);
        await tx.$executeRaw`UPDATE numbers SET value = 99 WHERE id = 5`;
      }),
    );
    expect(what(between)).toMatchObject(OUTAGE);
    expect(await db.$queryRaw`SELECT value FROM numbers WHERE id = 5`).toEqual([{ value: 0 }]);
  });

  it('treats a backend terminated before or during COMMIT as an outage', async () => {
    const before = await errorOf(
      db.$transaction(async (tx) => {
        await tx.$executeRaw`UPDATE numbers SET value = 99 WHERE id = 5`;
        await terminate(await backendOf(tx));
        await sleep(30);
      }),
    );
    expect(what(before)).toMatchObject(OUTAGE);

    await admin.query(`
      CREATE TABLE slow (id int);
      CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3); RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER doze AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION doze()`);
    const during = errorOf(db.$transaction((tx) => tx.$executeRaw`INSERT INTO slow VALUES (1)`));
    await endStatement('COMMIT%');
    expect(what(await during)).toMatchObject(OUTAGE);
    // The pool may not have noticed yet that the connection is dead.
    expect(await withRetry(() => db.$queryRaw`SELECT * FROM slow`)).toEqual([]);
  });

  it('treats a transaction that idles or lasts too long as an outage', async () => {
    const idle = await errorOf(
      db.$transaction(async (tx) => {
        await tx.$executeRaw`SET LOCAL idle_in_transaction_session_timeout = 50`;
        await sleep(200);
        await lockNumber(tx, 6);
      }),
    );
    expect(what(idle)).toMatchObject(OUTAGE);

    const blocked = await errorOf(
      db.$transaction(async (tx) => {
        await tx.$executeRaw`SET LOCAL idle_in_transaction_session_timeout = 50`;
        // The statement is sent before the end of the transaction has been read.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
        await lockNumber(tx, 6);
      }),
    );
    expect(what(blocked)).toEqual({ ...OUTAGE, state: '25P03' });

    const long = await errorOf(
      db.$transaction(
        async (tx) => {
          await sleep(200);
          await lockNumber(tx, 6);
        },
        { timeout: 100 },
      ),
    );
    expect(what(long)).toEqual({ ...OUTAGE, state: undefined });
  });

  it('treats an exhausted pool as an outage, for transactions and plain queries', async () => {
    const small = createDatabase({ url: server.url, log, poolSize: 1 });
    const errors = await small.$transaction(async () =>
      Promise.all([
        errorOf(small.$transaction((tx) => lockNumber(tx, 7), { maxWait: 50 })),
        errorOf(small.$queryRaw`SELECT 1`),
      ]),
    );
    await small.$disconnect();

    expect(errors.map(what)).toEqual([
      { ...OUTAGE, state: undefined },
      { ...OUTAGE, state: undefined },
    ]);
  });

  it('treats too many connections as an outage', async () => {
    const { rows } = await admin.query('SELECT current_user AS name, current_database() AS database');
    await admin.query(`ALTER DATABASE ${rows[0].database} CONNECTION LIMIT 0`);
    await admin.query(`CREATE ROLE limited LOGIN PASSWORD 'limited'`);
    const url = new URL(server.url);
    url.username = 'limited';
    url.password = 'limited';
    const limited = createDatabase({ url: url.href, log });
    try {
      const errors = [
        await errorOf(limited.$queryRaw`SELECT 1`),
        await errorOf(limited.plan.findFirst()),
        await errorOf(limited.$transaction((tx) => tx.plan.findFirst())),
      ];

      expect(errors.map(what)).toEqual(errors.map(() => ({ ...OUTAGE, state: '53300' })));
    } finally {
      await limited.$disconnect();
      await admin.query(`ALTER DATABASE ${rows[0].database} CONNECTION LIMIT -1`);
      await admin.query('DROP ROLE limited');
    }
  });

  it('treats an unreachable server as an outage', async () => {
    const nowhere = createDatabase({ url: 'postgresql://nobody:none@127.0.0.1:1/nothing', log });
    const errors = [
      await errorOf(nowhere.$queryRaw`SELECT 1`),
      await errorOf(nowhere.plan.findFirst()),
      await errorOf(nowhere.$transaction((tx) => tx.plan.findFirst())),
    ];
    await nowhere.$disconnect();

    expect(errors.map(what)).toEqual(errors.map(() => ({ ...OUTAGE, state: undefined })));
  });

  it('treats a missing socket as an outage', async () => {
    const nowhere = createDatabase({ url: 'postgresql://nobody@/nothing?host=/tmp/no such folder', log });
    const errors = [
      await errorOf(nowhere.$queryRaw`SELECT 1`),
      await errorOf(nowhere.$transaction((tx) => tx.plan.findFirst())),
    ];
    await nowhere.$disconnect();

    expect(errors.map(what)).toEqual(errors.map(() => ({ ...OUTAGE, state: undefined })));
  });

  it('classifies errors of the driver in the same way', async () => {
    const errors = [
      await errorOf(admin.query('INSERT INTO numbers VALUES (1, 1)')),
      await errorOf(admin.query('SET statement_timeout = 50; SELECT pg_sleep(2)')),
      await errorOf(new pg.Client({ connectionString: 'postgresql://127.0.0.1:1/nothing' }).connect()),
    ];
    await admin.query('RESET statement_timeout');

    expect(errors.map(what)).toEqual([
      { ...MISTAKE, state: '23505', constraint: 'numbers_pkey' },
      { ...OUTAGE, state: '57014' },
      { ...OUTAGE, state: undefined },
    ]);
  });

  it('treats a frozen server as an outage within 6 s', async () => {
    const frozen = createDatabase({ url: server.url, log, poolSize: 1 });
    const pid = await frozen.$transaction(backendOf);
    kill(pid, 'SIGSTOP');
    try {
      const startedAt = performance.now();
      const error = await errorOf(frozen.$queryRaw`SELECT 1`);

      expect(what(error)).toEqual({ ...OUTAGE, state: undefined });
      expect(performance.now() - startedAt).toBeLessThan(7_000);
    } finally {
      kill(pid, 'SIGCONT');
    }
    expect(await frozen.$queryRaw`SELECT 1 AS one`).toEqual([{ one: 1 }]);
    await frozen.$disconnect();
  });

  it('reports the name of a violated unique index, which is not an outage, through the ORM and raw SQL', async () => {
    await db.user.create({ data: { identities: { create: { type: 'DEVICE', value: 'the same name' } } } });
    const errors = [
      await errorOf(
        db.user.create({ data: { identities: { create: { type: 'DEVICE', value: 'the same name' } } } }),
      ),
      await errorOf(
        db.$transaction((tx) =>
          tx.user.create({ data: { identities: { create: { type: 'DEVICE', value: 'the same name' } } } }),
        ),
      ),
      await errorOf(
        db.$executeRaw`INSERT INTO identities (id, user_id, type, value)
          SELECT gen_random_uuid(), user_id, type, value FROM identities WHERE value = 'the same name'`,
      ),
    ];

    expect(errors.map(what)).toEqual(
      errors.map(() => ({ ...MISTAKE, state: '23505', constraint: 'identities_type_value_key' })),
    );
  });

  it('reports the name of a violated check constraint, which is not an outage, through the ORM and raw SQL', async () => {
    const { id } = await db.plan.create({ data: { name: 'plan' } });
    const errors = [
      await errorOf(db.plan.update({ where: { id }, data: { quota: -1 } })),
      await errorOf(db.$executeRaw`UPDATE plans SET quota = -1 WHERE id = ${id}::uuid`),
    ];

    expect(errors.map(what)).toEqual(
      errors.map(() => ({ ...MISTAKE, state: '23514', constraint: 'plans_quota_check' })),
    );
  });

  it('reports the name of a violated foreign key, which is not an outage, through the ORM and raw SQL', async () => {
    const missingId = '00000000-0000-7000-8000-000000000000';
    const errors = [
      await errorOf(db.identity.create({ data: { userId: missingId, type: 'DEVICE', value: 'of no user' } })),
      await errorOf(
        db.$executeRaw`INSERT INTO identities (id, user_id, type, value)
          VALUES (gen_random_uuid(), ${missingId}::uuid, 'DEVICE', 'of no user')`,
      ),
    ];

    expect(errors.map(what)).toEqual(
      errors.map(() => ({ ...MISTAKE, state: '23503', constraint: 'identities_user_id_fkey' })),
    );
  });

  it('treats other errors neither as an outage nor as a conflict', async () => {
    const errors = [
      await errorOf(db.$queryRaw`SELECT nonsense`),
      await errorOf(db.plan.findUniqueOrThrow({ where: { id: '00000000-0000-7000-8000-000000000000' } })),
      await errorOf(db.plan.findUnique({ where: { id: 'no id' } })),
      await errorOf(db.$executeRaw`SELECT 1 / 0`),
      new Error('boom'),
      new TypeError('x is not a function', { cause: { code: 'ERR_ASSERTION' } }),
      undefined,
      'text',
    ];

    expect(errors.map(what)).toMatchObject(errors.map(() => ({ ...MISTAKE, constraint: undefined })));
    expect(errors.slice(0, 4).map(sqlState)).toEqual(['42703', undefined, '22P02', '22012']);
  });

  it('handles an error whose cause is itself', () => {
    const error: { cause?: unknown } = new Error('round');
    error.cause = { errors: [error] };

    expect(what(error)).toEqual({ ...MISTAKE, state: undefined, constraint: undefined });
  });
});

describe('withRetry', () => {
  it('retries a transaction whose connection broke, and applies it once', async () => {
    const attempts = vi.fn(async (attempt: number) =>
      db.$transaction(async (tx) => {
        await tx.$executeRaw`UPDATE numbers SET value = value + 1 WHERE id = 8`;
        if (attempt < 2) await terminate(await backendOf(tx));
        return attempt;
      }),
    );

    expect(await withRetry(attempts)).toBe(2);
    expect(await db.$queryRaw`SELECT value FROM numbers WHERE id = 8`).toEqual([{ value: 1 }]);
  });

  it('completes twenty transactions that conflict with each other', async () => {
    const increment = () =>
      withRetry(() =>
        db.$transaction(
          async (tx) => {
            const [row] = await tx.$queryRaw<[{ value: number }]>`SELECT value FROM numbers WHERE id = 9`;
            await tx.$executeRaw`UPDATE numbers SET value = ${row.value + 1} WHERE id = 9`;
          },
          { isolationLevel: 'RepeatableRead' },
        ),
      );

    await Promise.all(Array.from({ length: 20 }, increment));

    expect(await db.$queryRaw`SELECT value FROM numbers WHERE id = 9`).toEqual([{ value: 20 }]);
  });

  it('throws other errors immediately', async () => {
    const work = vi.fn(async () => db.$queryRaw`SELECT nonsense`);

    await expect(withRetry(work)).rejects.toThrow('nonsense');

    expect(work).toHaveBeenCalledTimes(1);
  });

  it('throws the last error once its budget is spent', async () => {
    const nowhere = createDatabase({ url: 'postgresql://nobody:none@127.0.0.1:1/nothing', log });
    const work = vi.fn(async () => nowhere.$queryRaw`SELECT 1`);

    const startedAt = performance.now();
    const error = await errorOf(withRetry(work, { budgetMs: 300, log }));
    await nowhere.$disconnect();

    expect(isOutage(error)).toBe(true);
    expect(work.mock.calls.length).toBeGreaterThan(2);
    expect(performance.now() - startedAt).toBeLessThan(600);
  });
});

/** A barrier: settles for all once `size` callers have arrived. */
function meeting(size: number): () => Promise<void> {
  let open: () => void = () => {};
  const met = new Promise<void>((resolve) => {
    open = resolve;
  });
  let here = 0;
  return () => {
    if (++here === size) open();
    return met;
  };
}

function rejections(outcomes: PromiseSettledResult<unknown>[]): unknown[] {
  return outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
}

/** Runs two transactions that change each other's rows. @returns the errors of those that failed */
async function deadlock(change: (tx: Transaction, id: number) => Promise<unknown>): Promise<unknown[]> {
  const gate = meeting(2);
  const crossing = (first: number, second: number) =>
    db.$transaction(async (tx) => {
      await change(tx, first);
      await gate();
      await change(tx, second);
    });
  return rejections(await Promise.allSettled([crossing(1, 2), crossing(2, 1)]));
}

/** Terminates the backend that runs a matching statement, as soon as there is one. */
async function endStatement(like: string): Promise<void> {
  await vi.waitFor(
    async () => {
      const { rowCount } = await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE query LIKE $1 AND state = 'active' AND pid <> pg_backend_pid() AND datname = current_database()`,
        [like],
      );
      expect(rowCount).toBe(1);
    },
    { timeout: 2_500, interval: 20 },
  );
}
