import type {
  ApolloServer,
  ApolloServerOptions,
  ApolloServerPlugin,
  BaseContext,
  GraphQLRequest,
  GraphQLResponse,
} from '@apollo/server';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  visit,
} from 'graphql';
import { DomainError, PlatformError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { markCacheable } from './conditional-get.ts';
import { NEW_TYPE, TimelyServer } from './deadline-server.ts';
import { LIMITS } from './limits.ts';
import { maskError } from './mask-error.ts';
import { PARSE_OPTIONS } from './operation.ts';
import type { ValidOperation } from './requested-root-fields.ts';
import { validationRules } from './rules.ts';
import { checkRequest } from './validate-request.ts';

/** What the HTTP transport needs to know beside the schema. */
export interface ApolloSettings<Context extends BaseContext> {
  schema: GraphQLSchema;
  log: Logger;
  /** Told of each error that a client gets. */
  onError: (code: string) => void;
  /** Whether the caller may look at the schema itself. */
  mayIntrospect: (context: Context) => boolean;
  /** Looks at each valid operation before anything of it runs, and throws to have it refused. */
  beforeRun: (operation: ValidOperation, context: Context) => Promise<void>;
  /** How long an operation may take. */
  operationMs?: number;
}

/**
 * The GraphQL server for HTTP. Parse options, rules, cost and error mask are those of the websocket
 * transport: both take them from this folder.
 */
export function createApolloServer<Context extends BaseContext>({
  schema,
  log,
  onError,
  mayIntrospect,
  beforeRun,
  operationMs = LIMITS.operationMs,
}: ApolloSettings<Context>): ApolloServer<Context> {
  const mask = (error: unknown) => {
    const masked = maskError(error, log);
    onError(masked.extensions.code);
    return masked;
  };
  const options: ApolloServerOptions<Context> = {
    schema,
    logger: log,
    plugins: [
      ApolloServerPluginLandingPageDisabled(),
      operationChecks({ schema, mayIntrospect, beforeRun }),
      httpConventions<Context>(),
      markCacheable<Context>(),
    ],
    parseOptions: PARSE_OPTIONS,
    validationRules: [...validationRules],
    validationOptions: { maxErrors: 20 },
    formatError: (_formatted, error) => mask(error),
    // Introspection is decided for each caller, in operationChecks.
    introspection: true,
    // The same bytes as Fastify writes, so that no refusal tells who has refused.
    stringifyResult: (result) => JSON.stringify(result),
    hideSchemaDetailsFromClientErrors: true,
    persistedQueries: false,
    csrfPrevention: true,
    allowBatchedHttpRequests: false,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    nodeEnv: 'production',
  };
  return new TimelyServer(options, operationMs, mask);
}

/** What must be known of the caller or the variables, and so cannot be a validation rule. */
function operationChecks<Context extends BaseContext>({
  schema,
  mayIntrospect,
  beforeRun,
}: Pick<ApolloSettings<Context>, 'schema' | 'mayIntrospect' | 'beforeRun'>): ApolloServerPlugin<Context> {
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ document, operation, request, contextValue }) {
          const variables = request.variables ?? {};
          const run = operation && beforeRun({ document, operation, variables }, contextValue);
          await run?.catch(refuseToRun);
          const refusal =
            refuseKind(document, operation, mayIntrospect(contextValue)) ??
            checkRequest(schema, document, request);
          if (refusal) throw notRun(refusal);
        },
      };
    },
  };
}

/** What is not for everybody, or not for this transport. */
function refuseKind(
  document: DocumentNode,
  operation: OperationDefinitionNode | undefined,
  mayIntrospect: boolean,
): DomainError | undefined {
  if (operation?.operation === OperationTypeNode.SUBSCRIPTION) {
    const message = 'Subscriptions are for websockets: nothing would be watched here.';
    return new PlatformError('BAD_USER_INPUT', { message });
  }
  if (mayIntrospect || !introspects(document)) return undefined;
  const message = 'Introspection is switched off here; schema.graphql is the reference.';
  return new PlatformError('FORBIDDEN', { message });
}

function refuseToRun(error: unknown): never {
  throw notRun(error);
}

/** Apollo takes whatever a plugin throws for a fault of its own, unless the error has a status. */
function notRun(error: unknown): GraphQLError {
  const options = error instanceof GraphQLError ? error.toJSON() : undefined;
  const isFault = error instanceof GraphQLError || error instanceof DomainError;
  return new GraphQLError(error instanceof Error ? error.message : 'not run', {
    originalError: error instanceof Error ? error : null,
    extensions: { ...options?.extensions, http: { status: isFault ? 400 : 503 } },
  });
}

function introspects(document: DocumentNode): boolean {
  let found = false;
  visit(document, {
    [Kind.FIELD](node) {
      if (node.name.value === '__schema' || node.name.value === '__type') found = true;
    },
  });
  return found;
}

const REFUSED_BEFORE_EXECUTION = new Set<unknown>([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'OPERATION_TOO_COMPLEX',
  'BAD_USER_INPUT',
  'FORBIDDEN',
]);

/**
 * GraphQL over HTTP: to a client that accepts only `application/json` every well-formed request is a 200,
 * what failed before execution included; and `Retry-After` beside RATE_LIMITED.
 */
function httpConventions<Context extends BaseContext>(): ApolloServerPlugin<Context> {
  return {
    requestDidStart: async () => ({
      willSendResponse: async ({ request, response }) => followConventions(request, response),
    }),
  };
}

function followConventions(request: GraphQLRequest, { body, http }: GraphQLResponse): void {
  if (body.kind !== 'single' || !body.singleResult.errors) return;
  const { errors } = body.singleResult;
  const isWellFormed = Boolean(request.query);
  if (isWellFormed && http.status === 400 && isRefusal(errors) && !asksForNewType(request)) http.status = 200;
  const retryAfter = retryAfterSeconds(errors);
  if (retryAfter !== undefined) http.headers.set('retry-after', String(retryAfter));
}

function asksForNewType({ http }: GraphQLRequest): boolean {
  return http?.headers.get('accept')?.includes(NEW_TYPE) ?? false;
}

function isRefusal(errors: readonly GraphQLFormattedError[]): boolean {
  return (
    errors.length > 0 && errors.every(({ extensions }) => REFUSED_BEFORE_EXECUTION.has(extensions?.code))
  );
}

function retryAfterSeconds(errors: readonly GraphQLFormattedError[]): number | undefined {
  const seconds = errors
    .map(({ extensions }) => extensions?.retryAfterSeconds)
    .find((value) => value !== undefined);
  return typeof seconds === 'number' ? seconds : undefined;
}
