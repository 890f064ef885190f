import { readFileSync } from 'node:fs';
import { buildSchema, findBreakingChanges } from 'graphql';
import { expect, it } from 'vitest';

const read = (file: string) => buildSchema(readFileSync(file, 'utf8'));

/**
 * Breaking changes since the last release, each with the note that tells clients what to do. Empty
 * it with a release, and replace released-schema.graphql (schema.graphql without descriptions).
 */
const ACCEPTED: Readonly<Record<string, string>> = {};

it('breaks no client of the last release without a note in the changelog', () => {
  const changes = findBreakingChanges(read('test/contracts/released-schema.graphql'), read('schema.graphql'));
  const changelog = readFileSync('CHANGELOG.md', 'utf8');

  const unexplained = changes
    .map(({ description }) => description)
    .filter((description) => !changelog.includes(ACCEPTED[description] ?? '\0'));
  expect(unexplained).toEqual([]);
});

it('recognizes what would break clients', () => {
  const before = buildSchema('type Query { a(b: Int): Int, c: String }');
  const after = buildSchema('type Query { a(b: Int!): Int }');
  expect(findBreakingChanges(before, after).map(({ type }) => type)).toEqual([
    'FIELD_REMOVED',
    'ARG_CHANGED_KIND',
  ]);
});
