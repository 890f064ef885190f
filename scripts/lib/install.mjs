import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, root, timed } from './steps.mjs';

const lockFile = join(root, 'package-lock.json');
const stampFile = join(root, 'node_modules/.installed-from');
const npmsOwn = join(root, 'node_modules/.package-lock.json');

/** node_modules is what package-lock.json says, the tools to build with included. */
export async function install() {
  const wanted = createHash('sha256').update(readFileSync(lockFile)).digest('hex');
  if (isInstalled(wanted)) return;
  // Without the second word NODE_ENV=production would leave out the compiler.
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund'];
  const npm = process.env.npm_execpath;
  await timed('Installing packages (about a minute)', () =>
    npm?.endsWith('.js') ? must('npm ci', npm, args) : must('npm ci', 'npm', args),
  );
  writeFileSync(stampFile, wanted);
}

function isInstalled(wanted) {
  if (!existsSync(npmsOwn) || !existsSync(join(root, 'node_modules/typescript'))) return false;
  if (existsSync(stampFile)) return readFileSync(stampFile, 'utf8') === wanted;
  // Installed by hand. npm writes its file last, so it is complete.
  if (statSync(npmsOwn).mtimeMs < statSync(lockFile).mtimeMs) return false;
  writeFileSync(stampFile, wanted);
  return true;
}
