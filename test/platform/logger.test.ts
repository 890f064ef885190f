import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLogger } from '../../src/platform/logger.ts';
import { inRequestScope } from '../../src/platform/request-scope.ts';

function opened(path: string): number {
  const file = openSync(path, 'a');
  onTestFinished(() => closeSync(file));
  return file;
}

function newLogFile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tessera-log-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return join(directory, 'log');
}

describe('a logger', () => {
  it('never throws when the disk is full, and buffers little', () => {
    const log = createLogger('warn', opened('/dev/full'));
    const before = process.memoryUsage().rss;

    expect(() => {
      for (let line = 0; line < 20_000; line++) log.warn({ text: 'x'.repeat(2_000) }, 'no room for it');
    }).not.toThrow();
    expect(process.memoryUsage().rss - before).toBeLessThan(30 * 2 ** 20);
  });

  it('redacts fields with the name of a secret', () => {
    const path = newLogFile();

    createLogger('warn', opened(path)).warn(
      { input: { code: 'ABCD' }, err: { password: 'open sesame' } },
      'this',
    );

    const text = readFileSync(path, 'utf8');
    expect(text).toContain('"msg":"this"');
    expect(text).not.toMatch(/ABCD|open sesame/);
  });

  it('omits the client from errors of PostgreSQL', () => {
    const path = newLogFile();
    const error = Object.assign(new Error('terminated'), { code: '57P01', client: { secretKey: 4_711 } });

    createLogger('warn', opened(path)).warn({ err: error }, 'this');

    const { err } = JSON.parse(readFileSync(path, 'utf8'));
    expect(err).toEqual({ type: 'Error', message: 'terminated', stack: expect.any(String), code: '57P01' });
  });

  it('adds the request id and the log fields of the request scope to each line', () => {
    const path = newLogFile();
    const log = createLogger('warn', opened(path));
    const logFields = { job: 'fill-batch', attempt: 2 };

    inRequestScope({ requestId: 'request-1', ip: '', userAgent: null, logFields }, () => {
      log.warn({ attempt: 3 }, 'this');
    });

    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
      ...{ requestId: 'request-1', job: 'fill-batch', attempt: 3 },
    });
  });

  it.each([null, 'a text', 7])('logs the thrown non-Error %s verbatim', (thrown) => {
    const path = newLogFile();

    createLogger('warn', opened(path)).warn({ err: thrown }, 'this');

    expect(JSON.parse(readFileSync(path, 'utf8')).err).toBe(thrown);
  });
});
