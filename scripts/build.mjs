import { build } from './lib/build.mjs';
import { install } from './lib/install.mjs';
import { endWithChildren, main } from './lib/steps.mjs';

await main(async () => {
  endWithChildren();
  await install();
  await build();
});
