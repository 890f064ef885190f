import { build } from './lib/build.mjs';
import { install } from './lib/install.mjs';
import { endWithChildren, main } from './lib/steps.mjs';

// npm run tessera -- <command>: what an operator does from a shell. Standard output is for the result alone.
console.log = console.error;

await main(async () => {
  const release = endWithChildren();
  await install();
  await build();
  release();
});

await import('../dist/src/cli.js');
