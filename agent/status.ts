import { statfs } from 'node:fs/promises';
import { cpus, freemem, loadavg, totalmem } from 'node:os';

export const VERSION = 'tessera-agent 1.0.0';

/** The load of this machine: shares from 0 to 1. */
export async function readLoad(folder: string): Promise<{ cpu: number; memory: number; disk: number }> {
  const { blocks, bavail } = await statfs(folder);
  return {
    cpu: Math.min(1, (loadavg()[0] ?? 0) / cpus().length),
    memory: 1 - freemem() / totalmem(),
    disk: 1 - bavail / blocks,
  };
}
