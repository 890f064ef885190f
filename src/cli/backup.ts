import { backUp } from '../platform/backup/backup.ts';
import { restore } from '../platform/backup/restore.ts';
import { createSecrets } from '../platform/keys/secrets.ts';
import type { Command, Values } from './command.ts';

const fileOf = (values: Values) => String(values.file);

export const backup: Command = {
  needs: 'servers',
  name: 'backup',
  argument: 'file',
  summary: 'writes all data as of one moment to a file, while the service runs',
  options: {},
  help: '  The file has no keys. Keep SECRET_KEY as well, elsewhere: without it, the codes can be neither read nor redeemed.',
  run: async ({ settings, show, say }, values) => {
    const rows = await backUp(settings.databaseUrl, fileOf(values), (table, amount) =>
      say(`${table}: ${amount} …`),
    );
    show(`${fileOf(values)}: ${rows} rows. It needs the SECRET_KEY of this service, which it does not have.`);
  },
};

export const restoreBackup: Command = {
  needs: 'servers',
  createsServers: true,
  name: 'restore',
  argument: 'file',
  summary: 'reads a backup into an empty database',
  options: {},
  help: '  Stop the service first, and set the SECRET_KEY that it had when the backup was made.',
  run: async ({ settings, show, say }, values) => {
    const rows = await restore({
      databaseUrl: settings.databaseUrl,
      file: fileOf(values),
      secrets: createSecrets(settings),
      onProgress: (table, amount) => say(`${table}: ${amount} …`),
    });
    show(
      `${rows} rows restored. Start the service: agents read whole lists, and apps and websockets reconnect.`,
    );
  },
};
