import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chownSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EmbeddedError } from './embedded-error.ts';
import type { Account } from './postgres-account.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import type { PostgresHome } from './postgres-home.ts';

/**
 * Creates the cluster if it is missing: UTF-8, data checksums, SCRAM passwords. A cluster that was
 * not completed is created again.
 *
 * @throws EmbeddedError if the cluster is of another major version, or can't be created
 */
export async function ensureCluster(
  home: PostgresHome,
  binaries: PostgresBinaries,
  account: Account,
  options: { durable: boolean },
): Promise<void> {
  const versionFile = join(home.cluster, 'PG_VERSION');
  if (!existsSync(versionFile)) return createCluster(home, binaries, account, options);
  const version = readFileSync(versionFile, 'utf8').trim();
  if (version !== binaries.major) {
    throw new EmbeddedError(
      `${home.cluster} was created by PostgreSQL ${version}, but this is ${binaries.major}. Dump it with the old release and ` +
        'restore it with the new one, or set DATA_DIR to another directory.',
    );
  }
}

/**
 * Creates the cluster in a draft directory and renames it, so that an incomplete cluster is never
 * used.
 */
async function createCluster(
  home: PostgresHome,
  binaries: PostgresBinaries,
  account: Account,
  { durable }: { durable: boolean },
): Promise<void> {
  for (const name of readdirSync(home.directory)) {
    if (name.startsWith('draft-')) rmSync(join(home.directory, name), { recursive: true, force: true });
  }
  const draft = join(home.directory, `draft-${randomUUID()}`);
  const passwordFile = `${draft}.password`;
  writeFileSync(passwordFile, home.password, { mode: 0o600 });
  if (account.ids.uid !== undefined && account.ids.gid !== undefined) {
    chownSync(passwordFile, account.ids.uid, account.ids.gid);
  }
  try {
    const args = ['-D', draft, `--pwfile=${passwordFile}`, ...(durable ? [] : ['--no-sync'])];
    await runInitdb(binaries.initdb, args, account);
    renameSync(draft, home.cluster);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

const INITDB = [
  ...['--username=postgres', '--auth=scram-sha-256', '--encoding=UTF8', '--data-checksums'],
  ...['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--set=timezone=UTC'],
];

function runInitdb(initdb: string, args: string[], account: Account): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(initdb, [...args, ...INITDB], {
      ...account.ids,
      cwd: '/',
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new EmbeddedError(`initdb failed to create the database: ${errors.trim().slice(-500)}`));
    });
  });
}
