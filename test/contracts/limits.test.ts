import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ACCESS_TOKEN_SECONDS } from '../../src/modules/identity/session/access-token.ts';
import {
  MAX_REVOKED_SESSIONS,
  MAX_SESSIONS_WITHOUT_DEVICE,
} from '../../src/modules/identity/session/end-replaced-sessions.ts';
import { RETRY_SECONDS } from '../../src/modules/identity/session/refresh-session.ts';
import { OPERATION_RATES } from '../../src/modules/lifecycle/login/operation-rate-limiter.ts';
import { LIMITS } from '../../src/platform/graphql/limits.ts';

const page = readFileSync('docs/limits.md', 'utf8');
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.split('|').map((cell) => cell.trim()));
const numberIn = (text = '') => Number(text.replaceAll(',', ''));
/** Formats a number with thousands separators, as on the page. */
const grouped = (number: number) => number.toLocaleString('en-US');

/** Finds the rate limits in the sources, by name. */
function limitsInSources(): Map<string, { points: number; seconds: number }> {
  const files = readdirSync('src/modules', { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  const pattern = /: RateLimit = \{ name: '([a-z-]+)', points: ([\d_]+), durationSeconds: ([\d_]+) \}/g;
  const number = (text = '') => Number(text.replaceAll('_', ''));
  const found = files.flatMap((file) => [...readFileSync(`src/modules/${file}`, 'utf8').matchAll(pattern)]);
  return new Map(
    found.map(([, name = '', points, seconds]) => [
      name,
      { points: number(points), seconds: number(seconds) },
    ]),
  );
}

describe('docs/limits.md', () => {
  it('documents exactly the rate limits in the sources, with their values', () => {
    const documented = rows.flatMap(([, , name = '', points, seconds]) => {
      const [, limit] = /^`([a-z-]+)`$/.exec(name) ?? [];
      return limit && /^\d/.test(seconds ?? '')
        ? [[limit, { points: numberIn(points), seconds: numberIn(seconds) }] as const]
        : [];
    });

    expect(new Map(documented)).toEqual(limitsInSources());
    expect(documented.length).toBeGreaterThanOrEqual(11);
  });

  it('documents every limit of operations and sockets', () => {
    const { socketMessages, ...numbers } = LIMITS;
    for (const [name, value] of Object.entries(numbers))
      expect(page).toMatch(new RegExp(`^\\| \`${name}\` \\| ${grouped(value)} \\|`, 'm'));
    expect(page).toContain(`| ${socketMessages.burst} in a burst, ${socketMessages.perSecond} a second |`);
  });

  it('documents the limits of sessions', () => {
    expect(page).toContain(`| live sessions of a user without a device | ${MAX_SESSIONS_WITHOUT_DEVICE} |`);
    expect(page).toContain(`| rows of revoked sessions of a user | ${MAX_REVOKED_SESSIONS} |`);
    expect(page).toContain(`| age of an access token | ${ACCESS_TOKEN_SECONDS} s |`);
    expect(page).toContain(`| retries with a replaced refresh token | ${RETRY_SECONDS} s after`);
  });

  it('documents the operation budgets', () => {
    for (const [name, { burst, perSecond }] of Object.entries(OPERATION_RATES))
      expect(page).toMatch(
        new RegExp(`^\\| .*\`${name}\`.* \\| ${grouped(burst)} \\| ${perSecond} \\|$`, 'm'),
      );
  });
});
