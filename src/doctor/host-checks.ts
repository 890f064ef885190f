import { statfs } from 'node:fs/promises';
import type { Config } from '../config.ts';
import { type Check, fail, ok, warn } from './check.ts';

interface HostPatient {
  config: Config;
}

const NODE_RECOMMENDED = 22;

const node: Check<HostPatient> = async () => {
  const major = Number(process.versions.node.split('.')[0]);
  const message = `Node.js ${process.versions.node}`;
  if (major >= NODE_RECOMMENDED) return ok('node', message);
  return warn('node', `${message} is no longer maintained`, 'Use Node.js 24.');
};

const MIN_FREE_BYTES = 1_000_000_000;

const disk: Check<HostPatient> = async ({ config }) => {
  const { bavail, bsize, blocks } = await statfs(config.DATA_DIR).catch(() => statfs('.'));
  const [free, total] = [bavail * bsize, blocks * bsize];
  const message = `${(free / 1e9).toFixed(1)} GB of ${(total / 1e9).toFixed(1)} GB free for DATA_DIR`;
  if (free < MIN_FREE_BYTES)
    return fail('disk', message, 'Free space: PostgreSQL stops when its disk is full.');
  if (free < total * 0.1) return warn('disk', message, 'Free space soon.');
  return ok('disk', message);
};

const settings: Check<HostPatient> = async ({ config }) => {
  const forTests = [
    !config.RATE_LIMITS && 'RATE_LIMITS=off',
    !config.REDEMPTION_LOCK && 'REDEMPTION_LOCK=off',
    config.CRASH_POINTS !== undefined && 'CRASH_POINTS',
  ].filter((name) => name !== false);
  if (forTests.length > 0) return fail('settings', `${forTests.join(', ')}: for tests only`, 'Unset it.');
  if (!config.production)
    return warn('settings', 'NODE_ENV is not production', 'Set NODE_ENV=production for a public service.');
  return ok('settings', 'NODE_ENV=production');
};

export const HOST_CHECKS: readonly Check<HostPatient>[] = [node, settings, disk];
