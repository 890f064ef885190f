import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './lib/build.mjs';
import { install } from './lib/install.mjs';
import { endWithChildren, main, root, run, StepError } from './lib/steps.mjs';
import { generateTypedOperations } from './lib/typed-operations.mjs';

// npm run attack: runs hostile clients against temporary processes on loopback for some minutes.
// ATTACK_SEED repeats a run.
await main(async () => {
  endWithChildren();
  await install();
  await build();
  await generateTypedOperations();
  const directory = mkdtempSync(join(tmpdir(), 'tessera-attack-'));
  const report = join(directory, 'report.json');
  const env = { ATTACK: 'whole', ATTACK_REPORT: report, NODE_ENV: 'test' };
  const args = ['run', 'test/attack/attack.test.ts', '--bail=0'];
  try {
    const { code, output } = await run(join(root, 'node_modules/vitest/vitest.mjs'), args, { env });
    show(report, output);
    if (code !== 0) throw new StepError('Some attacks exceeded their bounds.');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

function show(report, output) {
  const { seed, outcomes } = readReport(report, output);
  console.log(`\nseed ${seed}\n`);
  for (const { attack, figure, bound, ok } of outcomes) {
    console.log(
      `${ok ? '  ok    ' : '  FAILED'}  ${attack}\n            ${figure.trim()}\n            bound: ${bound}`,
    );
  }
}

function readReport(report, output) {
  try {
    return JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    throw new StepError(`The attacks did not finish:\n${output.trim()}`);
  }
}
