/** An error as the server writes it. */
export interface AnswerError {
  message: string;
  extensions?: { code?: string; retryable?: boolean };
}

/** An answer of the server. */
export interface Answer<Data> {
  data?: Data | null;
  errors?: AnswerError[];
}

/** What is asked. */
export interface Operation {
  query: string;
  operationName?: string | null | undefined;
  variables?: unknown;
}

/** The server says no; the message is its sentence. */
export class RefusalError extends Error {
  readonly code: string | undefined;
  readonly retryable: boolean;

  constructor({ message, extensions }: AnswerError) {
    super(message);
    this.name = 'RefusalError';
    this.code = extensions?.code;
    this.retryable = extensions?.retryable ?? false;
  }
}

/** An error in words for people: GraphiQL shows a stack, if there is one. */
export function inPlainWords(message: string): Error {
  const error = new Error(message);
  delete error.stack;
  return error;
}

/**
 * Sends one operation over HTTP.
 *
 * @throws Error in words for people when no answer comes, or one that is not the server's
 */
export async function ask<Data>(
  url: string,
  operation: Operation,
  { accessToken, headers }: { accessToken?: string | null; headers?: Record<string, string> } = {},
): Promise<Answer<Data>> {
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
    throw inPlainWords('The server gave no answer. Is it running, and is the network there?');
  });
  return response.json().catch(() => {
    throw inPlainWords(
      `What came back is no answer of ours (HTTP ${response.status}): a proxy may be in between.`,
    );
  }) as Promise<Answer<Data>>;
}
