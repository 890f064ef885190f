/** An error in a response. */
export interface ResponseError {
  message: string;
  extensions?: { code?: string; retryable?: boolean };
}

export interface GraphqlResponse<Data> {
  data?: Data | null;
  errors?: ResponseError[];
}

export interface Operation {
  query: string;
  operationName?: string | null | undefined;
  variables?: unknown;
}

/** The server has refused an operation. The message is the server's. */
export class RefusalError extends Error {
  readonly code: string | undefined;
  readonly retryable: boolean;

  constructor({ message, extensions }: ResponseError) {
    super(message);
    this.name = 'RefusalError';
    this.code = extensions?.code;
    this.retryable = extensions?.retryable ?? false;
  }
}

/** Creates an error without a stack trace, which GraphiQL would show. */
export function errorWithoutStack(message: string): Error {
  const error = new Error(message);
  delete error.stack;
  return error;
}

/**
 * Sends one operation over HTTP.
 *
 * @throws Error with a readable message if there is no response, or if it is not GraphQL
 */
export async function sendOperation<Data>(
  url: string,
  operation: Operation,
  { accessToken, headers }: { accessToken?: string | null; headers?: Record<string, string> } = {},
): Promise<GraphqlResponse<Data>> {
  const response = await fetch(url, {
    method: 'POST',
    credentials: 'omit',
    body: JSON.stringify(operation),
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json, application/json;q=0.9',
      ...(accessToken && { authorization: `Bearer ${accessToken}` }),
      ...headers,
    },
  }).catch(() => {
    throw errorWithoutStack('The server is not responding. Check that it is running and your network works.');
  });
  return response.json().catch(() => {
    throw errorWithoutStack(
      `Unexpected response (HTTP ${response.status}), possibly from a proxy in front of the server.`,
    );
  }) as Promise<GraphqlResponse<Data>>;
}
