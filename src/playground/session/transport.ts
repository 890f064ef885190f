import type { Fetcher, FetcherParams, FetcherReturnType } from '@graphiql/toolkit';
import { Kind, type OperationDefinitionNode, OperationTypeNode, parse } from 'graphql';
import { type Client, createClient } from 'graphql-ws';
import { type Answer, ask, inPlainWords } from './ask.ts';
import type { Session } from './session.ts';

/** How the page talks to the server. */
export interface Transport {
  /** For GraphiQL: subscriptions over the websocket, everything else over HTTP. */
  fetcher: Fetcher;
  /** The messages of a subscription. */
  watch<Data>(query: string): AsyncIterableIterator<Answer<Data>>;
}

const LONGEST_WAIT_MS = 10_000;
const EXPIRED = 4403;
const ENDED = 4401;

/** @param url of GraphQL over HTTP; the websocket is on the same path */
export function createTransport(session: Session, url: string): Transport {
  const sockets = createSockets(session, url);
  return {
    watch: (query) => sockets.current().iterate({ query }) as AsyncIterableIterator<Answer<never>>,
    fetcher: (params, options) => {
      const operation = chosenOperation(params);
      const request = { ...params, operationName: operation?.name?.value ?? params.operationName ?? null };
      const answers =
        operation?.operation === OperationTypeNode.SUBSCRIPTION
          ? inWords(sockets.current(), request)
          : askAsSignedIn(session, url, request, options?.headers ?? {});
      // GraphiQL thinks of errors as instances of a class; what comes over the wire is what it shows.
      return answers as FetcherReturnType;
    },
  };
}

/** One websocket, opened when it is needed. Whoever signs in or out gets another one. */
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
    // A server that starts again, a proxy that gives up, a network that is gone: all of it passes.
    shouldRetry: () => true,
    retryWait: async (retries) => {
      const waitMs = Math.min(2 ** Math.min(retries, 5) * 250, LONGEST_WAIT_MS);
      await new Promise((resolve) => setTimeout(resolve, waitMs * (0.5 + Math.random() / 2)));
    },
    on: {
      closed: (event) => {
        const { code } = event as CloseEvent;
        if (code === EXPIRED && sent) void session.renewRefused(sent);
        if (code === ENDED && sent) session.endedByServer();
      },
    },
  });
}

/**
 * The operation that is to run: the only one, or the one with the name. What GraphiQL says of the document may be a
 * moment old. Undefined for what cannot be read: the server says what is wrong with it.
 */
function chosenOperation({ query, operationName }: FetcherParams): OperationDefinitionNode | undefined {
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

/** A token that was refused is renewed, and the request sent once more: nothing has run the first time. */
async function askAsSignedIn(
  session: Session,
  url: string,
  operation: FetcherParams,
  headers: Record<string, string>,
): Promise<Answer<unknown>> {
  const accessToken = await session.accessToken();
  const answer = await ask(url, operation, { accessToken, headers });
  const wasRefused = answer.errors?.some(({ extensions }) => extensions?.code === 'UNAUTHENTICATED');
  if (!accessToken || !wasRefused || !(await session.renewRefused(accessToken))) return answer;
  return ask(url, operation, { accessToken: await session.accessToken(), headers });
}

/** Errors of the socket as sentences. No generator: one that waits would not hear that nobody listens any more. */
function inWords(client: Client, params: FetcherParams): AsyncIterableIterator<Answer<unknown>> {
  const messages = client.iterate(params as never) as AsyncGenerator<Answer<unknown>, undefined, undefined>;
  const words = {
    next: () =>
      messages.next().catch((error: unknown) => {
        throw error instanceof CloseEvent ? inPlainWords(sentence(error)) : error;
      }),
    return: () => messages.return(undefined),
    [Symbol.asyncIterator]: () => words,
  };
  return words;
}

function sentence({ code, reason }: CloseEvent): string {
  if (code === ENDED && reason === 'UNAUTHENTICATED') return 'Sign in first: subscriptions need an account.';
  if (code === ENDED) return 'The server has ended your session.';
  return `The server has closed the websocket: ${code} ${reason}`.trim();
}
