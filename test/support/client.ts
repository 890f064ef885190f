import { createClient as createSocketClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import type { TypedDocumentString } from '../generated/graphql.ts';

/** An error in a response. */
export interface ClientError {
  message: string;
  path?: (string | number)[];
  extensions: { code: string; requestId: string; retryable: boolean; [detail: string]: unknown };
}

/** A response, with its HTTP status and headers. */
export interface Answer<Result> {
  status: number;
  headers: Headers;
  data?: Result | null;
  errors?: ClientError[];
}

type Document<Result, Variables> = TypedDocumentString<Result, Variables>;
type VariablesOf<Variables> =
  Record<string, never> extends Variables ? [variables?: Variables] : [variables: Variables];

/** A client of the API, over HTTP and its own websocket. */
export interface Client {
  token: string | undefined;
  /** Sends the operation, and returns the response including errors. */
  ask<Result, Variables>(
    document: Document<Result, Variables>,
    ...variables: VariablesOf<Variables>
  ): Promise<Answer<Result>>;
  /** Sends the operation, and returns its data. Throws if there are errors. */
  get<Result, Variables>(
    document: Document<Result, Variables>,
    ...variables: VariablesOf<Variables>
  ): Promise<Result>;
  /** Sends the operation, and returns its error. Throws unless there is exactly one. */
  refused<Result, Variables>(
    document: Document<Result, Variables>,
    ...variables: VariablesOf<Variables>
  ): Promise<ClientError>;
  /** Subscribes, and yields the messages. Throws an `error` message as an array of ClientError. */
  subscribe<Result, Variables>(
    document: Document<Result, Variables>,
    ...variables: VariablesOf<Variables>
  ): AsyncIterableIterator<{ data?: Result | null; errors?: readonly ClientError[] }>;
  /** Creates another client with this token. */
  as(token: string | undefined): Client;
  close(): Promise<void>;
}

/** @param url of the server, without a path */
export function createClient(url: string, token?: string): Client {
  const sockets = createSocketClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: () => ({ ...(client.token && { authorization: `Bearer ${client.token}` }) }),
    retryAttempts: 0,
  });
  const ask: Client['ask'] = (document, ...[variables]) =>
    post(url, { query: document.toString(), variables }, client.token);
  const client: Client = {
    token,
    ask,
    get: async (document, ...variables) => someData(await ask(document, ...variables)),
    refused: async (document, ...variables) => oneError(await ask(document, ...variables)),
    subscribe: (document, ...[variables]) =>
      sockets.iterate({
        query: document.toString(),
        variables: variables as Record<string, unknown>,
      }) as never,
    as: (other) => createClient(url, other),
    close: async () => sockets.dispose(),
  };
  return client;
}

/** @throws Error if the response has errors or no data */
export function someData<Result>({ data, errors }: Answer<Result>): Result {
  if (errors || data == null) throw new Error(`refused: ${JSON.stringify(errors)}`);
  return data;
}

/** @throws Error unless the response has exactly one error */
export function oneError({ errors }: Answer<unknown>): ClientError {
  if (errors?.length !== 1 || !errors[0]) throw new Error(`not refused once: ${JSON.stringify(errors)}`);
  return errors[0];
}

/** Sends any body to /graphql. */
export async function post<Result>(url: string, body: unknown, token?: string): Promise<Answer<Result>> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const json = (await response.json()) as Pick<Answer<Result>, 'data' | 'errors'>;
  return { status: response.status, headers: response.headers, ...json };
}
