import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findProse } from './prose.mjs';
import { root, run } from './steps.mjs';
import { TYPED_OPERATIONS } from './typed-operations.mjs';

const bin = (path) => join(root, 'node_modules', path);

const CHECKS = [
  {
    title: 'format and lint',
    program: bin('@biomejs/biome/bin/biome'),
    args: ['check', '--error-on-warnings', '.'],
  },
  { title: 'types', program: bin('typescript/bin/tsc'), args: ['--noEmit', '-p', 'tsconfig.json'] },
  {
    title: 'types of the playground',
    program: bin('typescript/bin/tsc'),
    args: ['--noEmit', '-p', 'src/playground/tsconfig.json'],
  },
  { title: 'import rules', program: bin('dependency-cruiser/bin/dependency-cruise.mjs'), args: ['src'] },
  {
    title: 'folder cycles',
    program: bin('dependency-cruiser/bin/dependency-cruise.mjs'),
    args: ['--config', '.dependency-cruiser-folders.cjs', 'src'],
  },
  { title: 'unused code', program: bin('knip/bin/knip.js'), args: [] },
];

/**
 * Runs all static checks and prints their findings.
 *
 * @returns {Promise<string[]>} titles of the failed checks
 */
export async function check() {
  // The types of the tests' operations are generated from schema.graphql.
  const isTyped = existsSync(join(root, 'codegen.yml')) ? await passes(TYPED_OPERATIONS) : true;
  const failed = isTyped ? [] : [TYPED_OPERATIONS.title];
  const waiting = [...CHECKS];
  // Two at a time: CI machines have two cores.
  const lane = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      if (!(await passes(next))) failed.push(next.title);
    }
  };
  await Promise.all([lane(), lane()]);
  const startedAt = performance.now();
  if (!report('prose', startedAt, findProse())) failed.push('prose');
  return failed;
}

async function passes({ title, program, args }) {
  const startedAt = performance.now();
  const { code, output } = await run(program, args);
  return report(title, startedAt, code === 0 ? [] : [output.trim()]);
}

function report(title, startedAt, findings) {
  const took = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  const isPassed = findings.length === 0;
  console.log(
    isPassed ? `  ok      ${title} (${took})` : `  FAILED  ${title} (${took})\n${findings.join('\n')}\n`,
  );
  return isPassed;
}
