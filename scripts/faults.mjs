import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './lib/build.mjs';
import { install } from './lib/install.mjs';
import { endWithChildren, main, root, run } from './lib/steps.mjs';
import { generateTypedOperations } from './lib/typed-operations.mjs';

const REPORT = join(root, 'test-output/faults.jsonl');

// npm run test:faults [-- vitest arguments]: runs every procedure at full length, which takes about
// an hour, and prints a table of results.
await main(async () => {
  endWithChildren();
  await install();
  await build();
  await generateTypedOperations();
  mkdirSync(join(root, 'test-output'), { recursive: true });
  rmSync(REPORT, { force: true });
  const seed = process.env.FAULTS_SEED ?? String(Math.floor(Math.random() * 2 ** 31));
  console.log(`Seed ${seed}. Repeat this run with FAULTS_SEED=${seed} npm run test:faults.`);
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const args = process.argv.length > 2 ? process.argv.slice(2) : ['test/faults'];
  const { code } = await run(vitest, ['run', ...args], {
    show: true,
    env: { NODE_ENV: 'test', FAULTS: 'long', FAULTS_SEED: seed, FAULTS_REPORT: REPORT },
  });
  printTable();
  process.exitCode = code;
});

function printTable() {
  if (!existsSync(REPORT)) return;
  let procedure = '';
  for (const line of readFileSync(REPORT, 'utf8').trim().split('\n')) {
    const row = JSON.parse(line);
    if (row.procedure !== procedure) console.log(`\n${row.procedure}`);
    procedure = row.procedure;
    const value = `${Math.round(row.value * 10) / 10}${row.unit ? ` ${row.unit}` : ''}`;
    console.log(
      `  ${row.ok ? 'ok    ' : 'BROKEN'} ${row.name.padEnd(44)} ${value.padStart(14)}   ${row.bound}`,
    );
  }
}
