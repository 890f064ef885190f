import { build } from './lib/build.mjs';
import { install } from './lib/install.mjs';
import { endWithChildren, main } from './lib/steps.mjs';

// npm run tessera -- <command>: operator commands. Standard output contains only the result of the
// command.
console.log = console.error;

await main(async () => {
  const release = endWithChildren();
  await install();
  await build();
  release();
});

await import('../dist/src/cli.js');
