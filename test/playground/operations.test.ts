import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  buildSchema,
  type DocumentNode,
  GraphQLError,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  parse,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PreparedDocument, prepareDocument } from '../../src/platform/graphql/prepared-document.ts';
import { validateRequest } from '../../src/platform/graphql/validate-request.ts';
import { required } from '../../src/platform/required.ts';
import { readTask } from '../../src/playground/tasks/task-file.ts';
import { TASK_GROUPS } from '../../src/playground/tasks/task-groups.ts';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { type Client, post } from '../support/client.ts';

/** Placeholder for an id in example variables. */
const PASTE = 'paste the id here';
const SOME_CODE = 'ABCD-EFGH-JKMN-PQRS';
const NOT_FOUND_CODES = ['NOT_FOUND', 'CODE_NOT_FOUND'];
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

/** Errors that would keep the operation from running unchanged. */
function errorsOf(source: string, variables: string): readonly GraphQLError[] {
  const prepared = prepareDocument(schema, source);
  if (!(prepared instanceof PreparedDocument)) return prepared;
  const given = variables ? JSON.parse(variables) : {};
  const { variableDefinitions = [] } = operationOf(prepared.document);
  const { errors } = getVariableValues(schema, variableDefinitions, given);
  const operation = required(prepared.operation(undefined), 'the operation');
  const refused = validateRequest(schema, operation, { query: '', variables: given });
  return [...(errors ?? []), ...(refused instanceof GraphQLError ? [refused] : [])];
}

function operationOf(document: DocumentNode): OperationDefinitionNode {
  const [operation, ...more] = document.definitions;
  if (operation?.kind !== Kind.OPERATION_DEFINITION || more.length > 0) throw new Error('not one operation');
  return operation;
}

describe('ready-made operations', () => {
  it.each(tasks)('$name is valid against the schema', ({ document, variables }) => {
    expect(errorsOf(document, variables)).toEqual([]);
  });

  it.each(tasks.filter(({ document }) => !isSubscription(document)))(
    '$name runs without errors, except NOT_FOUND for placeholder ids',
    async ({ name, document, variables }) => {
      const query = {
        query: document,
        variables: JSON.parse(variables.replaceAll(PASTE, randomUUID()) || '{}'),
      };

      const { errors } = await post(api.url, query, name.startsWith('agent/') ? agent.token : admin.token);

      const codes = errors?.map(({ extensions }) => extensions.code) ?? [];
      const possible = variables.includes(PASTE) || variables.includes(SOME_CODE) ? NOT_FOUND_CODES : [];
      expect(possible).toEqual(expect.arrayContaining(codes));
    },
  );

  it('have unique titles, unique operation names and descriptions', () => {
    const titles = tasks.map(({ title }) => title);
    const names = tasks.map(({ document }) => operationOf(parse(document)).name?.value);

    expect(new Set(titles).size).toBe(tasks.length);
    expect(new Set(names).size).toBe(tasks.length);
    expect(names).not.toContain(undefined);
    expect(tasks.filter(({ description }) => !/\.$/.test(description)).map(({ name }) => name)).toEqual([]);
  });

  it('belong to a displayed group, and every group has at least one', () => {
    const folders = new Set(tasks.map(({ name }) => name.split('/')[0]));

    expect([...folders].sort()).toEqual(TASK_GROUPS.map(({ folder }) => folder).sort());
  });

  it('cover every root field that people use', () => {
    const used = new Set(tasks.flatMap(({ document }) => rootFieldsOf(parse(document))));
    const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
    const all = roots.flatMap((type) => Object.keys(type?.getFields() ?? {}));

    expect(all.filter((name) => !used.has(name)).sort()).toEqual(WITHOUT_A_TASK);
  });
});

/** Root fields that only apps, agents or the page's own sign-in call. */
const WITHOUT_A_TASK = [
  'addEmail',
  'changeEmail',
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
  'removeEmail',
  'reportOnline',
  'reportOnlineUsers',
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
