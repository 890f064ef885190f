import {
  type ApolloServer,
  type ApolloServerOptions,
  type ApolloServerPlugin,
  type BaseContext,
  type GraphQLRequest,
  type GraphQLRequestContext,
  type GraphQLResponse,
  HeaderMap,
} from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
} from '@apollo/server/plugin/disabled';
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLFormattedError,
  OperationTypeNode,
  parse,
} from 'graphql';
import { DomainError, PlatformError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { markCacheable } from './cacheable.ts';
import type { Cost } from './cost.ts';
import { DeadlineServer, GRAPHQL_RESPONSE_TYPE } from './deadline-server.ts';
import type { DocumentStore } from './document-store.ts';
import { LIMITS } from './limits.ts';
import { maskError } from './mask-error.ts';
import { PreparedDocument, type PreparedOperation } from './prepared-document.ts';
import type { ValidOperation } from './requested-root-fields.ts';
import { validateRequest } from './validate-request.ts';

/** Settings of the Apollo server. */
export interface ApolloSettings<Context extends BaseContext> {
  documents: DocumentStore;
  log: Logger;
  /** Called with the code of each error that is sent to a client. */
  onError: (code: string) => void;
  /** Whether the caller may introspect the schema. */
  mayIntrospect: (context: Context) => boolean;
  /** Runs before each valid operation executes; throws to refuse it. */
  beforeRun: (operation: ValidOperation, context: Context) => Promise<void>;
  /** Charges a valid operation, before it executes; throws to refuse it. */
  charge: (cost: Cost, context: Context) => Promise<void>;
  /** Runs after each mutation, before its response is sent. */
  afterMutation: (context: Context) => void;
  /** Time limit of an operation; `LIMITS.operationMs` by default. */
  operationMs?: number;
}

/**
 * Creates the Apollo server for HTTP. Document store, cost limit and error masking are the same as
 * for websockets: both transports take them from this folder.
 */
export function createApolloServer<Context extends BaseContext>(
  settings: ApolloSettings<Context>,
): ApolloServer<Context> {
  const { documents, log, onError, operationMs = LIMITS.operationMs } = settings;
  const mask = (error: unknown) => {
    const masked = maskError(error, log, documents.schema);
    onError(masked.extensions.code);
    return masked;
  };
  const options: ApolloServerOptions<Context> = {
    schema: documents.schema,
    logger: log,
    plugins: [
      ApolloServerPluginLandingPageDisabled(),
      // Would instrument every field of the schema.
      ApolloServerPluginCacheControlDisabled(),
      ownPipeline({ ...settings, mask }),
      httpConventions<Context>(),
      markCacheable<Context>(),
    ],
    // Apollo neither parses nor validates nor executes: ownPipeline does.
    documentStore: null,
    formatError: (_formatted, error) => mask(error),
    // Always on here: ownPipeline decides per caller.
    introspection: true,
    // Byte-identical to what Fastify writes, so a response does not reveal which layer refused.
    stringifyResult: (result) => JSON.stringify(result),
    hideSchemaDetailsFromClientErrors: true,
    persistedQueries: false,
    csrfPrevention: true,
    allowBatchedHttpRequests: false,
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    nodeEnv: 'production',
  };
  return new DeadlineServer(options, operationMs, mask);
}

interface Checks<Context> extends Pick<ApolloSettings<BaseContext>, 'documents'> {
  mayIntrospect: (context: Context) => boolean;
  beforeRun: (operation: ValidOperation, context: Context) => Promise<void>;
  charge: (cost: Cost, context: Context) => Promise<void>;
  afterMutation: (context: Context) => void;
  mask: (error: unknown) => GraphQLFormattedError;
}

/**
 * Takes each document from the store, applies the checks that depend on the caller or the
 * variables, and so cannot be validation rules, and executes the operation.
 */
function ownPipeline<Context extends BaseContext>(checks: Checks<Context>): ApolloServerPlugin<Context> {
  return {
    async requestDidStart() {
      let prepared: PreparedDocument | readonly GraphQLError[] = [];
      return {
        async didResolveSource(context) {
          prepared = checks.documents.prepare(context.source);
          // Apollo skips its own parsing and validation for a request that has a document.
          const document = prepared instanceof PreparedDocument ? prepared.document : PLACEHOLDER;
          Object.assign(context satisfies GraphQLRequestContext<Context>, { document });
        },
        async didResolveOperation({ request, contextValue }) {
          if (!(prepared instanceof PreparedDocument)) return;
          const operation = prepared.operation(request.operationName);
          // Apollo reports that there is no such operation.
          if (operation) await ensureAllowed({ operation, request, context: contextValue }, checks);
        },
        async responseForOperation({ request, contextValue }) {
          if (!(prepared instanceof PreparedDocument)) return invalidDocument(prepared.map(checks.mask));
          const operation = prepared.operation(request.operationName);
          // Apollo reports that there is no such operation.
          return operation ? responseOf(operation, { request, contextValue }, checks) : null;
        },
      };
    },
  };
}

/** Stands for an invalid document until Apollo asks for the response. */
const PLACEHOLDER: DocumentNode = parse('{ __typename }');

function invalidDocument(errors: readonly GraphQLFormattedError[]): GraphQLResponse {
  return {
    http: { status: 400, headers: new HeaderMap() },
    body: { kind: 'single', singleResult: { errors } },
  };
}

async function responseOf<Context>(
  operation: PreparedOperation,
  { request, contextValue }: { request: GraphQLRequest; contextValue: Context },
  { documents, mask, afterMutation }: Checks<Context>,
): Promise<GraphQLResponse> {
  const variables = request.variables ?? {};
  const { data, errors } = await documents.execute(operation, { context: contextValue, variables });
  if (operation.node.operation === OperationTypeNode.MUTATION) afterMutation(contextValue);
  // Without data, nothing was executed: the variables are invalid.
  const http = { headers: new HeaderMap(), ...(data === undefined && { status: 400 }) };
  const singleResult = {
    ...(errors && { errors: errors.map(mask) }),
    ...(data !== undefined && { data }),
  };
  return { http, body: { kind: 'single', singleResult } };
}

interface Requested<Context> {
  operation: PreparedOperation;
  request: GraphQLRequest;
  context: Context;
}

/** @throws GraphQLError with an HTTP status */
async function ensureAllowed<Context>(
  { operation, request, context }: Requested<Context>,
  { documents, mayIntrospect, beforeRun, charge }: Checks<Context>,
): Promise<void> {
  const { document } = operation.prepared;
  const variables = request.variables ?? {};
  try {
    await beforeRun({ document, operation: operation.node, variables }, context);
    const refusal = refusalOfKind(operation, mayIntrospect(context));
    if (refusal) throw refusal;
    const cost = validateRequest(documents.schema, operation, request);
    if (cost instanceof GraphQLError) throw cost;
    await charge(cost, context);
  } catch (error) {
    throw withHttpStatus(error);
  }
}

/**
 * Refuses subscriptions, which need a websocket, and introspection for callers who may not use it.
 */
function refusalOfKind(
  { node, prepared }: PreparedOperation,
  mayIntrospect: boolean,
): DomainError | undefined {
  if (node.operation === OperationTypeNode.SUBSCRIPTION) {
    const message = 'Subscriptions are not available over HTTP: use a websocket.';
    return new PlatformError('BAD_USER_INPUT', { message });
  }
  if (mayIntrospect || !prepared.introspects) return undefined;
  const message = 'Introspection is disabled; see schema.graphql.';
  return new PlatformError('FORBIDDEN', { message });
}

/** Sets the HTTP status: Apollo reports plugin errors without one as internal server errors. */
function withHttpStatus(error: unknown): GraphQLError {
  const options = error instanceof GraphQLError ? error.toJSON() : undefined;
  const isClientError = error instanceof GraphQLError || error instanceof DomainError;
  return new GraphQLError(error instanceof Error ? error.message : 'the operation was not executed', {
    originalError: error instanceof Error ? error : null,
    extensions: { ...options?.extensions, http: { status: isClientError ? 400 : 503 } },
  });
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
 * Follows the GraphQL-over-HTTP specification: clients that accept only `application/json` get 200
 * for every well-formed request, even if it fails before execution. Also adds `Retry-After` where
 * an error says how long to wait.
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
  if (isWellFormed && http.status === 400 && isRefusal(errors) && !acceptsGraphqlResponse(request))
    http.status = 200;
  const retryAfter = retryAfterSeconds(errors);
  if (retryAfter !== undefined) http.headers.set('retry-after', String(retryAfter));
}

function acceptsGraphqlResponse({ http }: GraphQLRequest): boolean {
  return http?.headers.get('accept')?.includes(GRAPHQL_RESPONSE_TYPE) ?? false;
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
