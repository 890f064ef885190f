import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Config, readConfig } from '../../src/config.ts';

const readme = readFileSync('README.md', 'utf8');

/**
 * The variables in the table, with their defaults; undefined if a default is described in words.
 */
const documented = new Map(
  [...readme.matchAll(/^\| `([A-Z_]+)` \| (.*?) ?\| .+ \|$/gm)].map(([, name = '', fallback = '']) => [
    name,
    /^`(.+?)`/.exec(fallback)?.[1],
  ]),
);

/** The variables that src/config.ts reads. */
function readVariables(): string[] {
  const [, body = ''] =
    /^const Environment = z\.object\(\{$(.*?)^\}\);$/ms.exec(readFileSync('src/config.ts', 'utf8')) ?? [];
  return [...body.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name = '']) => name);
}

/** Formats a value as in the table; undefined if it is unset. */
function formatted(value: unknown): string | undefined {
  if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) return undefined;
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return value === resolve('./data') ? './data' : String(value);
}

describe('README.md', () => {
  it('documents exactly the environment variables that are read', () => {
    expect([...documented.keys()].sort()).toEqual(readVariables().sort());
    expect(documented.size).toBeGreaterThan(20);
  });

  it.each([...documented])('documents the default of %s', (name, fallback) => {
    expect(fallback).toBe(formatted(readConfig({})[name as keyof Config]));
  });

  it('links to existing files only', () => {
    const links = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, path = '']) => path);

    expect(links.length).toBeGreaterThan(2);
    expect(links.filter((path) => !existsSync(path))).toEqual([]);
  });
});
