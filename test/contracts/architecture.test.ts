import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';

const page = readFileSync('docs/ARCHITECTURE.md', 'utf8');

/** Paths in backticks that start at the root of the project. */
const pathsIn = (text: string) =>
  new Set([...text.matchAll(/`(src\/[^`*<]+)`/g)].map(([, path = '']) => path));

interface Rule {
  name: string;
}

/** The rules of a dependency-cruiser configuration, without the folder that a generated rule is for. */
function rulesOf(file: string): string[] {
  const { forbidden } = createRequire(import.meta.url)(`../../${file}`) as { forbidden: Rule[] };
  return forbidden.map(({ name }) => name.replace(/:.*/, ''));
}

describe('docs/ARCHITECTURE.md', () => {
  it('names only files and folders that exist', () => {
    const paths = [...pathsIn(page)];

    expect(paths.length).toBeGreaterThan(20);
    expect(paths.filter((path) => !existsSync(path))).toEqual([]);
  });

  it('walks through one redemption in at most 30 files', () => {
    const walk = page.slice(page.indexOf('## One redemption'), page.indexOf('## What must hold'));

    expect(pathsIn(walk).size).toBeGreaterThan(15);
    expect(pathsIn(walk).size).toBeLessThanOrEqual(30);
  });

  it('lists every rule that npm run check enforces, and no other', () => {
    const enforced = ['.dependency-cruiser.cjs', '.dependency-cruiser-folders.cjs'].flatMap(rulesOf);
    const table = page.slice(page.indexOf('| rule |'), page.indexOf('## One redemption'));
    const listed = [...table.matchAll(/^\| (`.*?`) \|/gm)].flatMap(([, names = '']) =>
      [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
    );

    expect(listed.sort()).toEqual([...new Set(enforced)].sort());
  });

  it('lists every context, in no other order than the enforced one', () => {
    const tree = /^ {2}modules\/(.*?)^ {2}platform\//ms.exec(page)?.[1] ?? '';
    const listed = [...tree.matchAll(/^ {4}([a-z]+)\/ /gm)].map(([, name = '']) => name);
    const order = [
      ...readFileSync('.dependency-cruiser.cjs', 'utf8').matchAll(/^ {2}'([a-z]+)[/'a-z-]*,$/gm),
    ];

    expect(listed).toEqual([...new Set(order.map(([, name]) => name))]);
    expect([...listed].sort()).toEqual(readdirSync('src/modules').sort());
  });
});
