import type { Fetcher, FetcherParams, FetcherReturnType } from '@graphiql/toolkit';
import { Kind, type OperationDefinitionNode, OperationTypeNode, parse } from 'graphql';
import { type Client, createClient } from 'graphql-ws';
import { errorWithoutStack, type GraphqlResponse, sendOperation } from './send-operation.ts';
import type { Session } from './session.ts';

/** The page's connection to the server. */
export interface Transport {
  /** Sends GraphiQL's operations: subscriptions over the websocket, everything else over HTTP. */
  fetcher: Fetcher;
  /** Subscribes, and yields the messages. */
  watch<Data>(query: string): AsyncIterableIterator<GraphqlResponse<Data>>;
}

const MAX_RETRY_WAIT_MS = 10_000;
const EXPIRED = 4403;
const ENDED = 4401;

/** @param url HTTP URL of the GraphQL endpoint; the websocket uses the same path */
export function createTransport(session: Session, url: string): Transport {
  const sockets = createSockets(session, url);
  return {
    watch: (query) => sockets.current().iterate({ query }) as AsyncIterableIterator<GraphqlResponse<never>>,
    fetcher: (params, options) => {
      const operation = selectedOperation(params);
      const request = { ...params, operationName: operation?.name?.value ?? params.operationName ?? null };
      const results =
        operation?.operation === OperationTypeNode.SUBSCRIPTION
          ? subscribe(sockets.current(), request)
          : sendAuthenticated(session, url, request, options?.headers ?? {});
      // GraphiQL's types expect GraphQLError instances, but it displays plain objects just as well.
      return results as FetcherReturnType;
    },
  };
}

/** Opens one websocket lazily, and replaces it when the user signs in or out. */
function createSockets(session: Session, url: string): { current: () => Client } {
  let { identity } = session.state;
  let client: Client | undefined;
  session.subscribe(() => {
    if (session.state.identity === identity) return;
    identity = session.state.identity;
    void client?.dispose();
    client = undefined;
  });
  return {
    current: () => {
      client ??= connect(session, url);
      return client;
    },
  };
}

function connect(session: Session, url: string): Client {
  let sent: string | null = null;
  return createClient({
    url: url.replace(/^http/, 'ws'),
    connectionParams: async () => {
      sent = await session.accessToken();
      return { ...(sent && { authorization: `Bearer ${sent}` }) };
    },
    retryAttempts: Number.POSITIVE_INFINITY,
    // Server restarts, proxy timeouts and network failures are all temporary.
    shouldRetry: () => true,
    retryWait: async (retries) => {
      const waitMs = Math.min(2 ** Math.min(retries, 5) * 250, MAX_RETRY_WAIT_MS);
      await new Promise((resolve) => setTimeout(resolve, waitMs * (0.5 + Math.random() / 2)));
    },
    on: {
      closed: (event) => {
        const { code } = event as CloseEvent;
        if (code === EXPIRED && sent) void session.renewRejected(sent);
        if (code === ENDED && sent) session.endedByServer();
      },
    },
  });
}

/**
 * Finds the operation to run: the only one, or the one with the name. Parses the document itself,
 * because GraphiQL's parsed state lags behind the editor. Undefined for invalid documents, which
 * the server then reports.
 */
function selectedOperation({ query, operationName }: FetcherParams): OperationDefinitionNode | undefined {
  const operations = operationsOf(query);
  return operations.length === 1
    ? operations[0]
    : operations.find(({ name }) => name?.value === operationName);
}

function operationsOf(query: string): OperationDefinitionNode[] {
  try {
    return parse(query).definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  } catch {
    return [];
  }
}

/**
 * Sends an operation with the access token. If the server rejects the token, renews it and retries
 * once, which is safe because a rejected request has not been executed.
 */
async function sendAuthenticated(
  session: Session,
  url: string,
  operation: FetcherParams,
  headers: Record<string, string>,
): Promise<GraphqlResponse<unknown>> {
  const accessToken = await session.accessToken();
  const response = await sendOperation(url, operation, { accessToken, headers });
  const wasRejected = response.errors?.some(({ extensions }) => extensions?.code === 'UNAUTHENTICATED');
  if (!accessToken || !wasRejected || !(await session.renewRejected(accessToken))) return response;
  return sendOperation(url, operation, { accessToken: await session.accessToken(), headers });
}

/**
 * Subscribes, and converts close events to errors with a readable message. Not a generator, because
 * its `return` would wait for a pending `next`.
 */
function subscribe(client: Client, params: FetcherParams): AsyncIterableIterator<GraphqlResponse<unknown>> {
  const messages = client.iterate(params as never) as AsyncGenerator<
    GraphqlResponse<unknown>,
    undefined,
    undefined
  >;
  const results = {
    next: () =>
      messages.next().catch((error: unknown) => {
        throw error instanceof CloseEvent ? errorWithoutStack(messageOf(error)) : error;
      }),
    return: () => messages.return(undefined),
    [Symbol.asyncIterator]: () => results,
  };
  return results;
}

function messageOf({ code, reason }: CloseEvent): string {
  if (code === ENDED && reason === 'UNAUTHENTICATED') return 'Sign in to use subscriptions.';
  if (code === ENDED) return 'Your session is no longer valid.';
  return `The server closed the websocket: ${code} ${reason}`.trim();
}
