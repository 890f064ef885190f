import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

/** Requests are aborted after this time. */
const REQUEST_TIMEOUT_MS = 15_000;

interface GraphQlError {
  message: string;
  extensions?: { code?: string; retryable?: boolean };
}

/** A GraphQL error, with its code and message. */
export class Refusal extends Error {
  readonly code: string;

  constructor({ message, extensions = {} }: GraphQlError) {
    super(`${extensions.code}: ${message}`);
    this.code = extensions.code ?? 'UNKNOWN';
  }
}

/** The token is invalid, so trying again is pointless. */
export class TokenRevoked extends Error {}

const TOKEN_INVALID = 4401;

/** A client of the API that authenticates as an agent. */
export interface Api {
  /**
   * Runs one operation over HTTP.
   *
   * @throws TokenRevoked
   * @throws Refusal for another GraphQL error; any other error means that there was no response
   */
  ask<Data>(query: string, variables?: Record<string, unknown>): Promise<Data>;
  /**
   * Runs one subscription over a websocket of its own, until that closes or the signal aborts.
   *
   * @throws TokenRevoked
   * @throws Refusal any other error means that the connection was lost
   */
  watch<Data>(
    query: string,
    options: { variables?: Record<string, unknown>; signal: AbortSignal },
  ): AsyncGenerator<Data>;
}

/** @param url without a path: `http://127.0.0.1:4000` */
export function createApi({ url, token }: { url: string; token: string }): Api {
  const authorization = `Bearer ${token}`;
  const endpoint = `${url.replace(/\/+$/, '')}/graphql`;
  return {
    async ask(query, variables) {
      const response = await fetch(endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization },
        body: JSON.stringify({ query, variables }),
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      const { data, errors } = (await response.json()) as { data: never; errors?: GraphQlError[] };
      if (errors?.[0]) throw toError(errors);
      return data;
    },
    async *watch(query, { variables = {}, signal }) {
      const client = createClient({
        url: endpoint.replace(/^http/, 'ws'),
        webSocketImpl: WebSocket,
        connectionParams: { authorization },
        // A new connection needs another `since`, so the client must not subscribe again itself.
        retryAttempts: 0,
        keepAlive: 20_000,
      });
      // Rejects if the socket fails meanwhile, which the iteration reports.
      const end = async () => client.dispose();
      const onAbort = () => void end().catch(() => {});
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        for await (const { data, errors } of client.iterate({ query, variables })) {
          if (errors) throw errors;
          yield data as never;
        }
      } catch (error) {
        throw toError(error);
      } finally {
        signal.removeEventListener('abort', onAbort);
        await end().catch(() => {});
      }
    },
  };
}

/** Errors of graphql-ws are lists of GraphQL errors, close events or errors of the socket. */
function toError(error: unknown): Error {
  if (Array.isArray(error)) {
    const refusal = new Refusal(error[0] as GraphQlError);
    return refusal.code === 'UNAUTHENTICATED' ? new TokenRevoked(refusal.message) : refusal;
  }
  const { code, reason } = (error ?? {}) as { code?: unknown; reason?: string };
  if (code === TOKEN_INVALID) return new TokenRevoked(reason);
  return error instanceof Error ? error : new Error(`the socket closed: ${code} ${reason ?? ''}`);
}
