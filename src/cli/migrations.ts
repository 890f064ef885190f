import { migrate, migrationStatus, resolveMigration } from '../platform/migrations/migrate.ts';
import { type Command, UsageError } from './command.ts';

export const migrateStatus: Command = {
  needs: 'servers',
  name: 'migrate status',
  summary: 'compares the database with the migrations of this release; exit code 1 if they differ',
  options: {},
  help: '',
  run: async ({ settings, show, fail }) => {
    const { applied, pending, failed, edited, unknown } = await migrationStatus(settings.databaseUrl);
    show(`${applied.length} applied`);
    for (const name of pending) show(`pending  ${name}`);
    for (const name of failed) show(`failed   ${name}: npm run tessera -- migrate resolve --help`);
    for (const name of edited) show(`edited   ${name}: restore the original file`);
    for (const name of unknown) show(`unknown  ${name}: of a newer release, left alone`);
    if (pending.length + failed.length + edited.length > 0) fail();
  },
};

export const migrateDeploy: Command = {
  needs: 'servers',
  name: 'migrate deploy',
  summary: 'applies pending migrations, as every start does',
  options: {},
  help: '',
  run: async ({ settings, show, say }) => {
    const { applied } = await migrate(settings.databaseUrl, { say });
    for (const name of applied) show(`applied ${name}`);
    if (applied.length === 0) show('Nothing to apply.');
  },
};

export const migrateResolve: Command = {
  needs: 'servers',
  name: 'migrate resolve',
  summary: 'records what a failed migration of an earlier release has left in the database',
  options: { applied: { type: 'string' }, 'rolled-back': { type: 'string' } },
  help: `  --rolled-back <name>   nothing: the next start applies the migration again
  --applied <name>       everything: it was completed by hand`,
  run: async ({ settings, show, say }, { applied, 'rolled-back': rolledBack }) => {
    const name = applied ?? rolledBack;
    if (typeof name !== 'string' || (applied && rolledBack)) {
      throw new UsageError('Give either --applied or --rolled-back, with the name of a migration.');
    }
    const outcome = applied ? 'APPLIED' : 'ROLLED_BACK';
    await resolveMigration(settings.databaseUrl, { name, outcome }, { say });
    show(`${name} is recorded as ${applied ? 'applied' : 'rolled back'}.`);
  },
};
