import {
  type DocumentNode,
  type ExecutionResult,
  GraphQLError,
  type GraphQLSchema,
  execute as interpret,
  OperationTypeNode,
} from 'graphql';
import { type CompiledQuery, type CompilerOptions, compileQuery, isCompiledQuery } from 'graphql-jit';
import { isCompilable } from './compilable.ts';
import type { PreparedOperation } from './prepared-document.ts';

/** Inputs of an execution, apart from the operation. */
export interface Execution {
  context: unknown;
  variables: Record<string, unknown>;
  /** The event of a subscription. */
  rootValue?: unknown;
}

type Result = ExecutionResult | Promise<ExecutionResult>;

/** Executes prepared operations. Those that clients send repeatedly are compiled. */
export type Executor = (operation: PreparedOperation, execution: Execution) => Result;

/** Executions after which an operation is compiled: fewer would not be worth it. */
const INTERPRETED_FIRST = 3;
/**
 * Processor time that compiling may take. Without a limit, many distinct documents could keep a
 * process compiling.
 */
const COMPILING = { msPerSecond: 20, burstMs: 200 };

/** `compileQuery` of graphql-jit. */
export type Compiler = (
  schema: GraphQLSchema,
  document: DocumentNode,
  operationName: string | undefined,
  options: Partial<CompilerOptions>,
) => CompiledQuery | ExecutionResult;

interface State {
  executions: number;
  /** Null if the operation is never compiled. */
  compiled?: CompiledQuery | null;
}

/**
 * Creates the executor of a process. A compiled operation gives the same result as graphql-js: when
 * anything but a nullable root field fails, it runs again in graphql-js, whose errors count.
 */
export function createExecutor(schema: GraphQLSchema, compiler: Compiler = compileQuery): Executor {
  const states = new WeakMap<PreparedOperation, State>();
  const budget = createBudget();
  return (operation, execution) => {
    const compiled = compiledOf(operation);
    if (!compiled) return run(schema, operation, execution);
    const { rootValue, context, variables } = execution;
    const again = () => run(schema, operation, execution);
    const result = compiled.query(rootValue, context, variables) as Result;
    return result instanceof Promise
      ? result.then((settled) => checked(operation, settled, again))
      : checked(operation, result, again);
  };

  function compiledOf(operation: PreparedOperation): CompiledQuery | null | undefined {
    const state = states.get(operation) ?? { executions: 0 };
    states.set(operation, state);
    if (state.compiled !== undefined) return state.compiled;
    state.executions += 1;
    if (state.executions <= INTERPRETED_FIRST || !budget.isLeft()) return undefined;
    budget.spend(() => {
      state.compiled = compile(schema, operation, compiler);
    });
    return state.compiled;
  }
}

function run(
  schema: GraphQLSchema,
  { node, prepared }: PreparedOperation,
  { context, variables, rootValue }: Execution,
): Result {
  return interpret({
    schema,
    document: prepared.document,
    operationName: node.name?.value ?? null,
    contextValue: context,
    variableValues: variables,
    rootValue,
  });
}

/** @returns null if the operation has to be interpreted */
function compile(
  schema: GraphQLSchema,
  { node, prepared }: PreparedOperation,
  compiler: Compiler,
): CompiledQuery | null {
  if (node.operation === OperationTypeNode.MUTATION || !isCompilable(prepared.document)) return null;
  const compiled = compiler(schema, prepared.document, node.name?.value, {
    disablingCapturingStackErrors: true,
  });
  return isCompiledQuery(compiled) ? compiled : null;
}

/** @param again runs the operation in graphql-js */
function checked({ node }: PreparedOperation, result: ExecutionResult, again: () => Result): Result {
  const { data, errors } = result;
  if (!errors) return result;
  const isQuery = node.operation === OperationTypeNode.QUERY;
  if (!data || !isQuery || !errors.every((error) => isOfRoot(error, data))) return again();
  return { data, errors: errors.map(asGraphqlError) };
}

/** Whether the error nulls a root field and nothing else: root fields of queries are nullable. */
function isOfRoot(
  { path, originalError }: GraphQLError,
  data: NonNullable<ExecutionResult['data']>,
): boolean {
  const [key] = path ?? [];
  return path?.length === 1 && key !== undefined && originalError != null && data[key] === null;
}

/** Errors of compiled queries lack some properties. */
function asGraphqlError({ message, path, locations, originalError }: GraphQLError): GraphQLError {
  const error = new GraphQLError(message, { path, originalError: originalError ?? null });
  return Object.defineProperty(error, 'locations', { value: locations, enumerable: true });
}

/** A token bucket of milliseconds. */
function createBudget() {
  let leftMs = COMPILING.burstMs;
  let countedAt = performance.now();
  return {
    isLeft: () => {
      const now = performance.now();
      leftMs = Math.min(COMPILING.burstMs, leftMs + ((now - countedAt) / 1_000) * COMPILING.msPerSecond);
      countedAt = now;
      return leftMs > 0;
    },
    spend: (work: () => void) => {
      const startedAt = performance.now();
      work();
      leftMs -= performance.now() - startedAt;
    },
  };
}
