import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

/** HTTP requests are aborted after this time. */
const REQUEST_TIMEOUT_MS = 15_000;

/** A GraphQL error, with its code and message. */
export class Refusal extends Error {
  /**
   * @param {object} error
   * @param {string} error.message
   * @param {{ code: string, field?: string, retryable: boolean }} error.extensions
   */
  constructor({ message, extensions }) {
    super(`${extensions.code}: ${message}`);
    this.name = 'Refusal';
    this.code = extensions.code;
    this.field = extensions.field;
    this.isRetryable = extensions.retryable;
  }
}

/** The socket was closed because the token is invalid, so reconnecting is pointless. */
export class TokenRevoked extends Error {}

/**
 * A client of the API that authenticates as an agent.
 *
 * @param {{ url: string, token: string }} options url without a path: `http://127.0.0.1:4000`
 */
export function createApi({ url, token }) {
  const authorization = `Bearer ${token}`;
  return {
    /**
     * Runs one operation over HTTP.
     *
     * @param {string} query
     * @param {Record<string, unknown>} [variables]
     * @returns {Promise<Record<string, any>>} the data
     * @throws {Refusal} for a GraphQL error; any other error means that there was no response
     */
    async ask(query, variables) {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization },
        body: JSON.stringify({ query, variables }),
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      const { data, errors } = await response.json();
      if (errors) throw new Refusal(errors[0]);
      return data;
    },

    /**
     * Runs one subscription over its own websocket, until that closes or `signal` aborts.
     *
     * @param {string} query
     * @param {Record<string, unknown>} variables
     * @param {AbortSignal} signal
     * @returns {AsyncGenerator<Record<string, any>>} the data of each message
     * @throws {TokenRevoked | Refusal} any other error means that the connection was lost
     */
    async *watch(query, variables, signal) {
      const client = createClient({
        url: `${url.replace(/^http/, 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams: { authorization },
        // A reconnect needs a new `since`, so the client must not resubscribe by itself.
        retryAttempts: 0,
        keepAlive: 20_000,
      });
      const end = () => void client.dispose();
      signal.addEventListener('abort', end, { once: true });
      try {
        for await (const { data, errors } of client.iterate({ query, variables })) {
          if (errors) throw errors;
          yield data;
        }
      } catch (error) {
        throw toError(error);
      } finally {
        signal.removeEventListener('abort', end);
        await client.dispose();
      }
    },
  };
}

/** @typedef {ReturnType<typeof createApi>} Api */

function toError(error) {
  if (Array.isArray(error)) return new Refusal(error[0]);
  if (error?.code === 4401) return new TokenRevoked(error.reason);
  return error instanceof Error ? error : new Error(`socket closed: ${error?.code} ${error?.reason ?? ''}`);
}
