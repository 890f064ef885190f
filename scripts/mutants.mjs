import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { MUTANTS } from '../test/faults/mutants.mjs';
import { build } from './lib/build.mjs';
import { install } from './lib/install.mjs';
import { endWithChildren, main, root, run, StepError } from './lib/steps.mjs';
import { generateTypedOperations } from './lib/typed-operations.mjs';

/** Copies tracked and new files and the generated code; node_modules is linked. */
function copyProject() {
  const copy = mkdtempSync(join(tmpdir(), 'tessera-mutants-'));
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  })
    .toString()
    .split('\0')
    .filter((file) => file !== '' && existsSync(join(root, file)));
  for (const file of [...files, 'src/generated', 'test/generated']) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(root, file), join(copy, file), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

async function isCaughtBy(copy, { edits, tests }) {
  const files = [...new Set(edits.map(({ file }) => file))];
  const before = new Map(files.map((file) => [file, readFileSync(join(copy, file), 'utf8')]));
  try {
    for (const { file, find, replace } of edits) edit(join(copy, file), find, replace);
    const { code, output } = await runTests(copy, tests);
    // A run that failed before any test ran has caught nothing.
    return code !== 0 && /Tests .*\d+ failed|FAIL .*\.test\.ts/.test(output);
  } finally {
    for (const [file, text] of before) writeFileSync(join(copy, file), text);
  }
}

function edit(path, find, replace) {
  const text = readFileSync(path, 'utf8');
  if (text.split(find).length !== 2)
    throw new StepError(`${path}: expected exactly one occurrence of:\n${find}`);
  writeFileSync(
    path,
    text.replace(find, () => replace),
  );
}

function runTests(copy, tests) {
  const vitest = [process.execPath, 'node_modules/vitest/vitest.mjs', 'run', ...tests];
  return run('/bin/sh', ['-c', 'cd "$0" && exec "$@"', copy, ...vitest], {
    env: { NODE_ENV: 'test', NO_COLOR: '1' },
  });
}

const lastLines = (output) => output.trim().split('\n').slice(-40).join('\n');

// npm run test:mutants [-- part of a name]: applies each mutant to a copy of the project and
// expects its tests to fail. The same tests must pass without a mutant; otherwise their failure
// would prove nothing.
await main(async () => {
  endWithChildren();
  await install();
  await build();
  await generateTypedOperations();
  const wanted = MUTANTS.filter(({ name }) => process.argv.slice(2).every((part) => name.includes(part)));
  if (wanted.length === 0) throw new StepError('No mutant matches that name.');
  const copy = copyProject();
  try {
    const tests = [...new Set(wanted.flatMap((mutant) => mutant.tests))];
    console.log('Running the tests without a mutant ...');
    const baseline = await runTests(copy, tests);
    if (baseline.code !== 0)
      throw new StepError(`The tests already fail without a mutant:\n${lastLines(baseline.output)}`);
    const survivors = [];
    for (const mutant of wanted) {
      const isCaught = await isCaughtBy(copy, mutant);
      console.log(`  ${isCaught ? 'caught  ' : 'SURVIVES'}  ${mutant.name}`);
      if (!isCaught) survivors.push(mutant.name);
    }
    console.log(`${wanted.length - survivors.length} caught, ${survivors.length} survived`);
    if (survivors.length > 0) process.exitCode = 1;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});
