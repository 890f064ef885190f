import { join } from 'node:path';
import { build } from './lib/build.mjs';
import { check } from './lib/check.mjs';
import { install } from './lib/install.mjs';
import { endWithChildren, main, root, run, StepError } from './lib/steps.mjs';

// npm test [-- vitest arguments]: all checks, then the tests, on their own PostgreSQL and Redis
// (test/support/global-setup.ts).
await main(async () => {
  endWithChildren();
  await install();
  await build();
  console.log('Checking ...');
  const failed = await check();
  console.log('Testing ...');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const env = { NODE_ENV: 'test' };
  const { code } = await run(vitest, ['run', ...process.argv.slice(2)], { show: true, env });
  if (failed.length > 0) throw new StepError(`Failed checks: ${failed.join(', ')} (see above).`);
  process.exitCode = code;
});
