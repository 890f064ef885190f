import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildSchema,
  type DocumentNode,
  type GraphQLError,
  type GraphQLSchema,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { checkRequest } from '../../src/platform/graphql/check-request.ts';
import { validationRules } from '../../src/platform/graphql/rules.ts';
import { readTask } from '../../src/playground/tasks/task-file.ts';
import { TASK_GROUPS } from '../../src/playground/tasks/task-groups.ts';
import { NOT_BUILT_YET } from '../contracts/not-built-yet.ts';

const FOLDER = 'src/playground/operations';
const schema = buildSchema(readFileSync('schema.graphql', 'utf8'));
const contract = buildSchema(readFileSync('test/contracts/contract.graphql', 'utf8'));

const tasks = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.graphql'))
  .sort()
  .map((name) => ({ name, ...readTask(readFileSync(join(FOLDER, name), 'utf8')) }));

/** Everything that keeps the operation from running as it stands. */
function faults(against: GraphQLSchema, document: DocumentNode, variables: string): readonly GraphQLError[] {
  const invalid = validate(against, document, [...specifiedRules, ...validationRules]);
  if (invalid.length > 0) return invalid;
  const given = variables ? JSON.parse(variables) : {};
  const { errors } = getVariableValues(against, operationOf(document).variableDefinitions ?? [], given);
  const refused = checkRequest(against, document, { query: '', variables: given });
  return [...(errors ?? []), ...(refused ? [refused] : [])];
}

function operationOf(document: DocumentNode): OperationDefinitionNode {
  const [operation, ...more] = document.definitions;
  if (operation?.kind !== Kind.OPERATION_DEFINITION || more.length > 0) throw new Error('not one operation');
  return operation;
}

/** What is being built is held to the contract until it is there. */
const agreed = NOT_BUILT_YET.length > 0 ? [schema, contract] : [schema];

describe('the ready-made operations', () => {
  it.each(tasks)('$name runs as it stands', ({ document, variables }) => {
    const problems = agreed.map((against) => faults(against, parse(document), variables));

    expect(problems.find((found) => found.length === 0) ?? problems[0]).toEqual([]);
  });

  it('have a title, a description and a name that no other has', () => {
    const titles = tasks.map(({ title }) => title);
    const names = tasks.map(({ document }) => operationOf(parse(document)).name?.value);

    expect(new Set(titles).size).toBe(tasks.length);
    expect(new Set(names).size).toBe(tasks.length);
    expect(names).not.toContain(undefined);
    expect(tasks.filter(({ description }) => !/\.$/.test(description)).map(({ name }) => name)).toEqual([]);
  });

  it('lie in the groups that are shown, and no group is empty', () => {
    const folders = new Set(tasks.map(({ name }) => name.split('/')[0]));

    expect([...folders].sort()).toEqual(TASK_GROUPS.map(({ folder }) => folder).sort());
  });

  it('cover every root field that is an admin’s to use', () => {
    const used = new Set(tasks.flatMap(({ document }) => rootFieldsOf(parse(document))));
    const roots = [contract.getQueryType(), contract.getMutationType(), contract.getSubscriptionType()];
    const all = roots.flatMap((type) => Object.keys(type?.getFields() ?? {}));

    expect(all.filter((name) => !used.has(name)).sort()).toEqual(WITHOUT_A_TASK);
  });
});

/** What apps and agents do by themselves, and what signing in and out of the page does. */
const WITHOUT_A_TASK = [
  'addEmail',
  'changePassword',
  'confirmServerUsers',
  'deleteAccount',
  'deviceChallenge',
  'deviceLogin',
  'login',
  'logout',
  'pendingBinding',
  'refreshSession',
  'register',
  'reportOnline',
  'reportServerStatus',
  'reportTraffic',
  'updateDevice',
];

function rootFieldsOf(document: DocumentNode): string[] {
  return operationOf(document).selectionSet.selections.map((selection) =>
    selection.kind === Kind.FIELD ? selection.name.value : '',
  );
}
