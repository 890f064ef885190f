import { expect, it } from 'vitest';
import type { Logger } from '../../src/platform/logger.ts';
import { withoutRepeats } from '../../src/platform/repeated-log.ts';

function start() {
  const lines: unknown[][] = [];
  let time = 0;
  const warn = ((...line: unknown[]) => lines.push(line)) as unknown as Logger['warn'];
  return { log: withoutRepeats({ warn }, () => time), lines, pass: (ms: number) => (time += ms) };
}

const away = () => ({ err: new Error('connect ECONNREFUSED') });

it('logs a warning, then again after 30 s, with the number of those in between', () => {
  const { log, lines, pass } = start();

  for (let second = 0; second < 65; second++, pass(1_000)) log.warn(away(), 'Redis connection failed');

  expect(lines.map(([fields]) => (fields as { suppressed?: number }).suppressed)).toEqual([
    undefined,
    29,
    29,
  ]);
  expect(lines[0]).toEqual([away(), 'Redis connection failed']);
});

it('logs warnings that differ in text, field or error', () => {
  const { log, lines } = start();

  for (const _ of [1, 2]) {
    log.warn(away(), 'one');
    log.warn(away(), 'two');
    log.warn({ ...away(), jobId: '1' }, 'two');
    log.warn({ ...away(), jobId: '2' }, 'two');
    log.warn({ err: new Error('READONLY') }, 'two');
  }

  expect(lines).toHaveLength(5);
});

it('remembers a limited number of warnings', () => {
  const { log, lines } = start();

  for (let job = 0; job < 501; job++) log.warn({ ...away(), job }, 'job failed');
  for (const job of [0, 500]) log.warn({ ...away(), job }, 'job failed');

  // The first was forgotten.
  expect(lines).toHaveLength(502);
});
