import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildSchema,
  type DocumentNode,
  type GraphQLError,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { validationRules } from '../../src/platform/graphql/rules.ts';
import { validateRequest } from '../../src/platform/graphql/validate-request.ts';
import { readTask } from '../../src/playground/tasks/task-file.ts';
import { TASK_GROUPS } from '../../src/playground/tasks/task-groups.ts';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { type Client, post } from '../support/client.ts';

/** What stands where an id is to be pasted. */
const PASTE = 'paste the id here';
const SOME_CODE = 'ABCD-EFGH-JKMN-PQRS';
const NOT_THERE = ['NOT_FOUND', 'CODE_NOT_FOUND'];
const FOLDER = 'src/playground/operations';
const schema = buildSchema(readFileSync('schema.graphql', 'utf8'));

let api: TestApi;
let admin: TestUser;
let agent: Client;
beforeAll(async () => {
  api = await startTestApi();
  [admin, agent] = [await api.newAdmin(), await api.newAgent()];
});
afterAll(() => api.close());

const tasks = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.graphql'))
  .sort()
  .map((name) => ({ name, ...readTask(readFileSync(join(FOLDER, name), 'utf8')) }));

/** Everything that keeps the operation from running as it stands. */
function faults(document: DocumentNode, variables: string): readonly GraphQLError[] {
  const invalid = validate(schema, document, [...specifiedRules, ...validationRules]);
  if (invalid.length > 0) return invalid;
  const given = variables ? JSON.parse(variables) : {};
  const { errors } = getVariableValues(schema, operationOf(document).variableDefinitions ?? [], given);
  const refused = validateRequest(schema, document, { query: '', variables: given });
  return [...(errors ?? []), ...(refused ? [refused] : [])];
}

function operationOf(document: DocumentNode): OperationDefinitionNode {
  const [operation, ...more] = document.definitions;
  if (operation?.kind !== Kind.OPERATION_DEFINITION || more.length > 0) throw new Error('not one operation');
  return operation;
}

describe('the ready-made operations', () => {
  it.each(tasks)('$name is valid as it stands', ({ document, variables }) => {
    expect(faults(parse(document), variables)).toEqual([]);
  });

  it.each(tasks.filter(({ document }) => !isSubscription(document)))(
    '$name runs; what was not pasted yet is not found, and nothing else is amiss',
    async ({ name, document, variables }) => {
      const query = {
        query: document,
        variables: JSON.parse(variables.replaceAll(PASTE, randomUUID()) || '{}'),
      };

      const { errors } = await post(api.url, query, name.startsWith('agent/') ? agent.token : admin.token);

      const codes = errors?.map(({ extensions }) => extensions.code) ?? [];
      const possible = variables.includes(PASTE) || variables.includes(SOME_CODE) ? NOT_THERE : [];
      expect(possible).toEqual(expect.arrayContaining(codes));
    },
  );

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
    const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
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

const isSubscription = (document: string) => operationOf(parse(document)).operation === 'subscription';
