import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './lib/build.mjs';
import { install } from './lib/install.mjs';
import { main, must, root, run, StepError, timed } from './lib/steps.mjs';

/** The release before this one. */
const PREVIOUS = { version: '0.1.0', commit: '0824e9bd4c7b59c7df4fabd7eb6d9bd6108d7ec6' };
const SUBSCRIPTIONS = 50_000;
const ORDERS_PER_SUBSCRIPTION = 4;
const CUSTOMERS = 200;
const LOAD = { rate: 30, seconds: 20 };
const HEAD_START_MS = 4_000;

// npm run test:upgrade: builds the previous release, fills a database with it, and upgrades while
// its processes serve redemptions. Then goes back to it, and forward again. No redemption may fail.
await main(async () => {
  await install();
  await build();
  const previous = await buildPrevious();
  const { withProduct } = await import('../bench/lib/product.mjs');
  await withProduct((place) => upgrade(place, join(previous, 'dist/src/main.js')), { isMigrated: false });
  // The servers of `withProduct` keep no handle, but its signal handlers might.
  process.exit(0);
});

async function buildPrevious() {
  const directory = join(root, '.cache/releases', PREVIOUS.version);
  if (!existsSync(join(directory, '.built'))) {
    await timed(`Building release ${PREVIOUS.version}`, async () => {
      await run('git', ['worktree', 'remove', '--force', directory]);
      await must('git worktree', 'git', [
        'worktree',
        'add',
        '--detach',
        '--force',
        directory,
        PREVIOUS.commit,
      ]);
      await must('npm ci', 'npm', ['ci', '--prefix', directory, '--no-audit', '--no-fund']);
      await must('The build', 'npm', ['run', 'build', '--prefix', directory]);
      writeFileSync(join(directory, '.built'), '');
    });
  }
  return directory;
}

async function upgrade(place, previousMain) {
  const { createCustomers } = await import('../bench/lib/customers.mjs');
  const start = (program) => (role) => place.start(program, { ROLE: role });
  const [before, now] = [start(previousMain), start('dist/src/main.js')];
  const old = [await before('api'), await before('worker')];
  const customers = await createCustomers(place, CUSTOMERS);
  try {
    await timed('Filling the database', () => fill(place.db));
    const load = (url) => redeem({ url, customers });
    const fresh = await timed('Upgrading under load', async () => {
      const loaded = load(old[0].url);
      await new Promise((resolve) => setTimeout(resolve, HEAD_START_MS));
      const started = [await now('api'), await now('worker')];
      await loaded;
      return started;
    });
    await timed('Redeeming at the new API, with workers of both', () => load(fresh[0].url));
    await Promise.all(old.map(place.stop));
    await timed('Redeeming with the new release alone', () => load(fresh[0].url));
    await Promise.all(fresh.map(place.stop));
    const back = [await before('api'), await before('worker')];
    await timed('Redeeming after going back', () => load(back[0].url));
    await Promise.all(back.map(place.stop));
    const forward = [await now('api'), await now('worker')];
    await timed('Redeeming after upgrading again', () => load(forward[0].url));
    await timed('Examining the rows', () => examine(place));
    await Promise.all(forward.map(place.stop));
  } finally {
    await customers.close();
  }
}

/** Rows of every kind that a migration may have to read or lock. */
async function fill(db) {
  const { seedBatch, seedFinishedOrders, seedSubscriptions } = await import('../bench/lib/seed.mjs');
  const batch = await seedBatch(db);
  await seedSubscriptions(db, { planId: batch.planId, count: SUBSCRIPTIONS });
  await seedFinishedOrders(db, { ...batch, perSubscription: ORDERS_PER_SUBSCRIPTION });
  await db.query(
    `INSERT INTO device_stays (id, user_id, started_at, last_seen_at, ended_at)
     SELECT uuidv7(), id, now(), now(), now() FROM users`,
  );
  await db.query(
    `INSERT INTO audit_entries (id, action, actor_id) SELECT uuidv7(), 'deviceLogin', id FROM users`,
  );
}

async function redeem({ url, customers }) {
  const [{ openApps }, { underLoad }] = await Promise.all([
    import('../bench/lib/apps.mjs'),
    import('../bench/lib/load.mjs'),
  ]);
  const codes = await customers.newCodes(LOAD.rate * LOAD.seconds);
  const { apps, close } = await openApps(url, await customers.newTokens());
  const result = await underLoad(LOAD, (at) => apps[at % apps.length].redeem(codes[at]));
  close();
  const { failed, reasons, p50, p99, max } = result;
  if (failed > 0) throw new StepError(`${failed} redemptions failed: ${reasons}`);
  console.log(
    `  ${codes.length} redeemed, p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms, max ${max.toFixed(0)} ms`,
  );
}

async function examine({ databaseUrl, redisUrl, secretKey }) {
  const env = { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, SECRET_KEY: secretKey };
  const output = await must('doctor', process.execPath, [join(root, 'dist/src/cli.js'), 'doctor', '--deep'], {
    env,
  });
  console.log(output.trim().replace(/^/gm, '  '));
}
