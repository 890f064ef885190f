import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './lib/build.mjs';
import { endWithChildren, main, root } from './lib/steps.mjs';

// npm run schema: regenerates schema.graphql from the code.
await main(async () => {
  const release = endWithChildren();
  await build();
  release();
  const { createSchema, printedSchema } = await import('../dist/src/schema.js');
  writeFileSync(join(root, 'schema.graphql'), printedSchema(await createSchema()));
  console.log('Wrote schema.graphql.');
});
