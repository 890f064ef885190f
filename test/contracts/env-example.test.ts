import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { describe, expect, it } from 'vitest';
import { readConfig, VARIABLES } from '../../src/config.ts';
import { printedEnvExample } from '../../src/env-example.ts';

const uncommented = (text: string) => text.replace(/^# ([A-Z_]+=)/gm, '$1');

describe('.env.example', () => {
  it('is what npm run schema prints', () => {
    expect(readFileSync('.env.example', 'utf8')).toBe(printedEnvExample());
  });

  it('describes every variable', () => {
    const names = Object.keys(parseEnv(uncommented(printedEnvExample())));
    expect(names.toSorted()).toEqual(Object.keys(VARIABLES).toSorted());
    for (const { description } of Object.values(VARIABLES)) expect(description).toMatch(/^\S.*\.$/);
  });

  it('changes nothing as it is, nor with all defaults in force', () => {
    expect(parseEnv(printedEnvExample())).toEqual({});
    expect(readConfig(parseEnv(uncommented(printedEnvExample())))).toEqual(readConfig({}));
  });

  it('has the variables of the table in README.md', () => {
    const rows = [...readFileSync('README.md', 'utf8').matchAll(/^\| `([A-Z_]+)` \|/gm)].map(
      ([, name]) => name,
    );
    expect(rows.toSorted()).toEqual(Object.keys(VARIABLES).toSorted());
  });
});
