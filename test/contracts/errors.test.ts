import { readdirSync, readFileSync } from 'node:fs';
import { isEnumType } from 'graphql';
import { describe, expect, it } from 'vitest';
import { REFUSALS } from '../../src/error-codes.ts';
import { createSchema } from '../../src/schema.ts';

interface Row {
  code: string;
  when: string;
  whatToDo: string;
  retryable: string;
  http: string;
}

/** Parses the table in the section `## Codes`. */
function documentedCodes(): Row[] {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const table = page.slice(page.indexOf('## Codes'));
  return [...table.matchAll(/^\| `([A-Z_]+)` \|(.*)\|$/gm)].map(([, code = '', cells = '']) => {
    const [when = '', whatToDo = '', retryable = '', http = ''] = cells
      .split(' | ')
      .map((cell) => cell.trim());
    return { code, when, whatToDo, retryable, http };
  });
}

/** Collects the codes from all files that define refusals. */
async function definedCodes(): Promise<string[]> {
  const src = new URL('../../src/', import.meta.url);
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /(^|[./])errors\.ts$/.test(file),
  );
  const modules = await Promise.all(
    files.map((file) => import(new URL(file, src).href) as Promise<Record<string, unknown>>),
  );
  return modules.flatMap((exports) => Object.values(exports).flatMap(codesOf));
}

function codesOf(exported: unknown): string[] {
  return typeof exported === 'function' && 'table' in exported ? Object.keys(exported.table as object) : [];
}

describe('docs/errors.md', () => {
  it('documents each error code exactly once', () => {
    expect(
      documentedCodes()
        .map(({ code }) => code)
        .sort(),
    ).toEqual(Object.keys(REFUSALS).sort());
  });

  it('has a cause, an action, retryability and an HTTP status for each code', () => {
    const incomplete = documentedCodes().filter(
      ({ when, whatToDo, retryable, http }) =>
        !when || !whatToDo || !/^(yes|no)$/.test(retryable) || !/^(–|[2-5]\d\d)/.test(http),
    );

    expect(incomplete).toEqual([]);
  });

  it('marks the same codes as retryable as the service', () => {
    const retryable = documentedCodes().filter((row) => row.retryable === 'yes');

    expect(retryable.map(({ code }) => code).sort()).toEqual(
      Object.entries<{ retryable?: boolean }>(REFUSALS)
        .filter(([, refusal]) => refusal.retryable)
        .map(([code]) => code)
        .sort(),
    );
  });

  it('documents each key of extensions', () => {
    const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
    const keys = [...page.slice(0, page.indexOf('## HTTP')).matchAll(/^\| `(\w+)` \|/gm)].map(
      ([, key]) => key,
    );

    expect(keys).toEqual([
      'code',
      'requestId',
      'retryable',
      'field',
      'fields',
      'retryAfterSeconds',
      'serverTime',
      'orderId',
      'confirmationToken',
    ]);
  });
});

describe('ErrorCode', () => {
  it('contains the codes of all refusals, described by their messages', async () => {
    const type = (await createSchema()).getType('ErrorCode');
    const values = isEnumType(type) ? type.getValues() : [];

    expect(Object.fromEntries(values.map(({ name, description }) => [name, description]))).toEqual(
      Object.fromEntries(Object.entries(REFUSALS).map(([code, { message }]) => [code, message])),
    );
  });

  it('has no code that two modules define', async () => {
    const defined = await definedCodes();

    expect(defined.filter((code, index) => defined.indexOf(code) !== index)).toEqual([]);
    expect([...defined].sort()).toEqual(Object.keys(REFUSALS).sort());
  });
});
