import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { figures } from '../support/lab/figures.ts';
import { becomesTrue, type Lab, startLab } from '../support/lab/lab.ts';
import { isLong } from '../support/lab/profile.ts';
import { underLoad } from '../support/lab/under-load.ts';

const FULL_MS = 20_000;
const isRoot = process.getuid?.() === 0;

/** Needs root, to mount a file system small enough to fill. */
describe.runIf(isLong && isRoot)('a full disk', () => {
  let lab: Lab;
  let disk: string;
  const filler = () => join(disk, 'filler');
  beforeAll(async () => {
    disk = mkdtempSync(join(tmpdir(), 'tessera-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=600m', 'tmpfs', disk]);
    chmodSync(disk, 0o711);
    const { TMPDIR } = process.env;
    process.env.TMPDIR = disk;
    lab = await startLab({ api: 2, workers: 2 }).finally(() => {
      if (TMPDIR === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = TMPDIR;
    });
  }, 90_000);
  afterAll(async () => {
    await lab?.close();
    execFileSync('umount', ['-l', disk]);
    rmdirSync(disk);
  }, 60_000);

  it('rejects redemptions, then recovers without losing an order', async () => {
    const { whole } = await underLoad(lab, { codes: 40_000, afterMs: 3_000, limitMs: 60_000 }, async () => {
      try {
        execFileSync('dd', ['if=/dev/zero', `of=${filler()}`, 'bs=1M'], { stdio: 'ignore' });
      } catch {
        // dd fails when the disk is full, as intended.
      }
      await sleep(FULL_MS);
      rmSync(filler());
      const isBack = await becomesTrue(async () => (await lab.db.plan.count()) >= 0, 10_000);
      // PostgreSQL stops if its write-ahead log finds no space, and must be restarted.
      if (!isBack) await lab.cluster.postgres.restart();
    });

    figures(`B16 PostgreSQL's and Redis' disk full for ${FULL_MS / 1_000} s`, whole);
  }, 300_000);
});
