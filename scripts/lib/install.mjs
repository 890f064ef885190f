import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, root, timed } from './steps.mjs';

const lockFile = join(root, 'package-lock.json');
const stampFile = join(root, 'node_modules/.installed-from');
const npmLockFile = join(root, 'node_modules/.package-lock.json');

/**
 * Installs the packages of package-lock.json, including build tools, unless they are up to date.
 */
export async function install() {
  const wanted = createHash('sha256').update(readFileSync(lockFile)).digest('hex');
  if (isInstalled(wanted)) return;
  // Without --include=dev, NODE_ENV=production would omit the compiler.
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund'];
  const npm = process.env.npm_execpath;
  await timed('Installing packages (about a minute)', () =>
    npm?.endsWith('.js') ? must('npm ci', npm, args) : must('npm ci', 'npm', args),
  );
  writeFileSync(stampFile, wanted);
}

function isInstalled(wanted) {
  if (!existsSync(npmLockFile) || !hasBuildTools()) return false;
  if (existsSync(stampFile)) return readFileSync(stampFile, 'utf8') === wanted;
  // Installed with npm directly. npm writes its lock file last, so a newer one means a complete
  // installation.
  if (statSync(npmLockFile).mtimeMs < statSync(lockFile).mtimeMs) return false;
  writeFileSync(stampFile, wanted);
  return true;
}

/** False after `npm ci` with NODE_ENV=production, which omits them. */
function hasBuildTools() {
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.keys(devDependencies).every((name) => existsSync(join(root, 'node_modules', name)));
}
