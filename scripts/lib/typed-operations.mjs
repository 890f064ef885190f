import { join } from 'node:path';
import { must, root } from './steps.mjs';

/** The program that generates the types of the tests' operations from schema.graphql. */
export const TYPED_OPERATIONS = {
  title: 'typed operations',
  program: join(root, 'node_modules/@graphql-codegen/cli/cjs/bin.js'),
  args: ['--config', 'codegen.yml'],
};

/** Generates test/generated, which tests import and git ignores. */
export async function generateTypedOperations() {
  const { title, program, args } = TYPED_OPERATIONS;
  await must(title, program, args);
}
