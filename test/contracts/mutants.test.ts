import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MUTANTS } from '../faults/mutants.mjs';

describe('mutants.mjs', () => {
  it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
    'applies to the current sources: %s',
    (_name, mutant) => {
      const found = mutant.edits.map(({ file, find }) => readFileSync(file, 'utf8').split(find).length - 1);

      expect(found).toEqual(mutant.edits.map(() => 1));
      expect(mutant.tests.filter((file) => !existsSync(file))).toEqual([]);
    },
  );
});
