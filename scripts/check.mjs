import { generate } from './lib/build.mjs';
import { check } from './lib/check.mjs';
import { install } from './lib/install.mjs';
import { endWithChildren, main, StepError } from './lib/steps.mjs';

await main(async () => {
  endWithChildren();
  await install();
  await generate();
  const failed = await check();
  if (failed.length > 0) throw new StepError(`Failed: ${failed.join(', ')}.`);
});
