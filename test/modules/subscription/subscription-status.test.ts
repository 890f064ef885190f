import { describe, expect, it } from 'vitest';
import type { SubscriptionStatus } from '../../../src/generated/prisma/client.ts';
import {
  deriveStatus,
  isLive,
  isOpen,
  withCurrentStatus,
} from '../../../src/modules/subscription/subscription-status.ts';

const NOW = new Date('2026-01-31T12:00:00.000Z');
const afterMs = (ms: number) => new Date(NOW.getTime() + ms);

describe('deriveStatus', () => {
  const unused = { expiresAt: afterMs(1), trafficLimit: 10n, upload: 0n, download: 0n };

  it.each<[SubscriptionStatus, string, Partial<typeof unused> | { expiresAt: null; trafficLimit: null }]>([
    ['ACTIVE', 'time and traffic are left', { upload: 4n, download: 5n }],
    ['EXHAUSTED', 'the limit is reached', { upload: 4n, download: 6n }],
    ['EXHAUSTED', 'the limit is exceeded', { upload: 11n }],
    ['EXHAUSTED', 'the limit is zero', { trafficLimit: 0n }],
    ['EXPIRED', 'expiresAt is now', { expiresAt: NOW }],
    ['EXPIRED', 'both time and traffic are used up', { expiresAt: afterMs(-1), upload: 10n }],
    ['ACTIVE', 'time and traffic are unlimited', { expiresAt: null, trafficLimit: null }],
  ])('returns %s if %s', (status, _, fields) => {
    expect(deriveStatus({ ...unused, ...fields }, NOW)).toBe(status);
  });
});

const ROWS: [SubscriptionStatus, Date | null, current: SubscriptionStatus, live: boolean][] = [
  ['ACTIVE', null, 'ACTIVE', true],
  ['ACTIVE', afterMs(1), 'ACTIVE', true],
  ['ACTIVE', NOW, 'EXPIRED', false],
  ['EXHAUSTED', afterMs(1), 'EXHAUSTED', true],
  ['EXHAUSTED', afterMs(-1), 'EXPIRED', false],
  ['EXPIRED', afterMs(-1), 'EXPIRED', false],
  ['STOPPED', afterMs(1), 'STOPPED', false],
  ['STOPPED', afterMs(-1), 'STOPPED', false],
];

describe('withCurrentStatus', () => {
  it.each(ROWS)('reports %s with expiresAt %o as %s', (status, expiresAt, current) => {
    const row = Object.freeze({ status, expiresAt });

    expect(withCurrentStatus(row, NOW)).toEqual({ status: current, expiresAt });
  });
});

describe('isLive', () => {
  it.each(ROWS)('for %s with expiresAt %o, reported as %s, is %s', (status, expiresAt, _, live) => {
    expect(isLive({ status, expiresAt }, NOW)).toBe(live);
  });
});

describe('isOpen', () => {
  it.each<[SubscriptionStatus, boolean]>([
    ['ACTIVE', true],
    ['EXHAUSTED', true],
    ['EXPIRED', false],
    ['STOPPED', false],
  ])('for %s is %s', (status, open) => {
    expect(isOpen({ status })).toBe(open);
  });
});
