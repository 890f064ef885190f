import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './lib/build.mjs';
import { install } from './lib/install.mjs';
import { main, root, StepError } from './lib/steps.mjs';

// npm run migration -- NAME: writes a migration with the difference between the migrations and
// prisma/schema.prisma.
await main(async () => {
  const name = process.argv[2];
  if (!name || !/^[a-z0-9_]+$/.test(name))
    throw new StepError('Usage: npm run migration -- name_of_the_change');
  await install();
  await build();
  const sql = await missingSql();
  if (sql === '') throw new StepError('The migrations already match prisma/schema.prisma.');
  const time = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  const folder = join(root, `prisma/migrations/${time}_${name}`);
  if (existsSync(folder)) throw new StepError(`${folder} already exists.`);
  mkdirSync(folder);
  writeFileSync(join(folder, 'migration.sql'), sql);
  console.log(
    `${folder}/migration.sql\n\n${sql}\nReview it before committing. Add checks, partial indexes and triggers by hand.`,
  );
});

async function missingSql() {
  const { startEmbedded } = await import('../dist/src/platform/embedded/embedded.js');
  const { drift } = await import('../dist/src/platform/migrations/drift.js');
  const dataDir = mkdtempSync(join(tmpdir(), 'tessera-migration-'));
  const servers = await startEmbedded({
    dataDir,
    needPostgres: true,
    needRedis: false,
    durable: false,
    log: console.log,
  });
  try {
    return await drift(servers.adminDatabaseUrl);
  } finally {
    await servers.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}
