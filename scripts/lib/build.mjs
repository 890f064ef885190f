import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, root, timed } from './steps.mjs';

const at = (path) => join(root, path);
const PLAYGROUND = join('src', 'playground', '/');

/**
 * Generates src/generated from prisma/schema.prisma and builds dist; skips outputs that are up to
 * date.
 */
export async function build() {
  await generate();
  await compile();
  await bundlePlayground();
  await bundleAgent();
}

/** Generates the Prisma client, without network access. */
export async function generate() {
  const stamp = at('src/generated/.made-from');
  const wanted = hashOf(['prisma/schema.prisma', 'node_modules/prisma/package.json']);
  if (readStamp(stamp) === wanted && existsSync(at('src/generated/prisma/client.ts'))) return;
  const env = {
    // Generating does not use the native schema engine, but downloads it unless this variable is
    // set.
    PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    CHECKPOINT_DISABLE: '1',
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
  };
  await timed('Generating the database client', () =>
    must('prisma generate', at('node_modules/prisma/build/index.js'), ['generate', '--no-hints'], { env }),
  );
  mkdirSync(at('src/generated'), { recursive: true });
  writeFileSync(stamp, wanted);
}

async function compile() {
  const stamp = at('dist/.made-from');
  const sources = filesBelow('src').filter((file) => !file.startsWith(PLAYGROUND));
  const wanted = hashOf([...sources, ...inputs()]);
  const isBuilt = existsSync(at('dist/src/main.js'));
  if (isBuilt && readStamp(stamp) === wanted) return;
  // The compiler's incremental state is invalid if its output was deleted.
  if (!isBuilt) rmSync(at('dist'), { recursive: true, force: true });
  rmSync(stamp, { force: true });
  await timed('Compiling', () =>
    must('tsc', at('node_modules/typescript/bin/tsc'), ['-p', 'tsconfig.build.json']),
  );
  writeFileSync(stamp, wanted);
}

/** Bundles the page served at /playground. */
async function bundlePlayground() {
  const stamp = at('dist/playground/.made-from');
  const wanted = hashOf([...filesBelow(PLAYGROUND), 'package-lock.json']);
  if (readStamp(stamp) === wanted) return;
  await timed('Bundling the playground', () =>
    must('vite build', at('node_modules/vite/bin/vite.js'), [
      'build',
      '--config',
      join(PLAYGROUND, 'vite.config.ts'),
    ]),
  );
  writeFileSync(stamp, wanted);
}

/** Bundles the agent into one file, which runs on servers without anything but Node. */
export async function bundleAgent() {
  const stamp = at('dist/agent/.made-from');
  const wanted = hashOf([...filesBelow('agent'), 'package-lock.json']);
  if (readStamp(stamp) === wanted) return;
  await timed('Bundling the agent', () =>
    must('vite build', at('node_modules/vite/bin/vite.js'), [
      'build',
      '--config',
      join('agent', 'vite.config.ts'),
      '--logLevel',
      'warn',
    ]),
  );
  writeFileSync(stamp, wanted);
}

function inputs() {
  const files = [
    'prisma/seed.ts',
    'tsconfig.json',
    'tsconfig.build.json',
    'package-lock.json',
    'prisma/schema.prisma',
  ];
  return files.filter((file) => existsSync(at(file)));
}

function filesBelow(folder) {
  return readdirSync(at(folder), { recursive: true })
    .map((name) => join(folder, name))
    .filter((file) => !file.startsWith(join('src', 'generated')) && statSync(at(file)).isFile())
    .sort();
}

function hashOf(files) {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(at(file)))
      .update('\0');
  return hash.digest('hex');
}

function readStamp(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
