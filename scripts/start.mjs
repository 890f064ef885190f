import { build } from './lib/build.mjs';
import { install } from './lib/install.mjs';
import { endWithChildren, main } from './lib/steps.mjs';

// The service runs in this process, so a SIGTERM sent to npm's child reaches it.
await main(async () => {
  const release = endWithChildren();
  await install();
  await build();
  release();
});

await import('../dist/src/main.js');
