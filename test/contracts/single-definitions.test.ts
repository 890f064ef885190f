import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const sources = readdirSync('src/modules', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file, text: readFileSync(`src/modules/${file}`, 'utf8') }));

/** @returns the files of src/modules that match the pattern, comments included */
const filesWith = (pattern: RegExp) =>
  sources
    .filter(({ text }) => pattern.test(text))
    .map(({ file }) => file)
    .sort();

describe('src/modules', () => {
  it('finds the source files', () => {
    expect(sources.length).toBeGreaterThan(100);
  });

  it('publishes changes in announce() only, so that every change wakes the same watchers', () => {
    expect(filesWith(/\.publish\(/)).toEqual(['kernel/announce.ts']);
  });

  it('takes row locks in kernel/locks.ts, where the lock order is stated', () => {
    expect(filesWith(/\bFOR\s+(NO\s+KEY\s+)?UPDATE\b/)).toEqual([
      // These claim rows inside a larger statement, ordered by id.
      'identity/presence/device-stays.ts',
      'kernel/locks.ts',
      'network/agent/agent-presence.ts',
    ]);
  });

  it('defines open subscriptions in subscription-status.ts only', () => {
    expect(filesWith(/'ACTIVE',\s*'EXHAUSTED'|'EXHAUSTED',\s*'ACTIVE'/)).toEqual([
      'subscription/subscription-status.ts',
    ]);
  });
});
