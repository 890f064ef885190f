import { applyRetention, previewRetention } from '../modules/operations/retention/apply-retention.ts';
import type { Command } from './command.ts';

export const retentionRun: Command = {
  needs: 'services',
  name: 'retention run',
  summary: 'deletes what is older than its retention, as a worker does every minute',
  options: { 'dry-run': { type: 'boolean' } },
  help: `  --dry-run   only count it

  RETENTION_…_DAYS in the environment decide. See .env.example.`,
  run: async ({ services, config, show }, { 'dry-run': dryRun }) => {
    const expired = await (dryRun ? previewRetention : applyRetention)(services, config);
    for (const { table, keep, rows } of expired) {
      show(`${table}: ${rows} ${dryRun ? 'to delete' : 'deleted'} (kept for ${keep})`);
    }
  },
};
