import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './lib/build.mjs';
import { endWithChildren, main, root } from './lib/steps.mjs';

// npm run schema: regenerates schema.graphql and .env.example from the code.
await main(async () => {
  const release = endWithChildren();
  await build();
  release();
  const { createSchema, printedSchema } = await import('../dist/src/schema.js');
  writeFileSync(join(root, 'schema.graphql'), printedSchema(await createSchema()));
  const { printedEnvExample } = await import('../dist/src/env-example.js');
  writeFileSync(join(root, '.env.example'), printedEnvExample());
  console.log('Wrote schema.graphql and .env.example.');
});
