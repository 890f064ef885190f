import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';

/** An answer that takes longer is none. */
const ANSWER_MS = 15_000;

/** What the server said no to, in its own words. */
export class Refusal extends Error {
  /** @param {{ message: string, extensions: { code: string, field?: string, retryable: boolean } }} error */
  constructor({ message, extensions }) {
    super(`${extensions.code}: ${message}`);
    this.name = 'Refusal';
    this.code = extensions.code;
    this.field = extensions.field;
    this.isRetryable = extensions.retryable;
  }
}

/** The socket was closed with a code after which coming again is no use: the token is good no longer. */
export class TokenEnded extends Error {}

/**
 * Talks to the server with the token of an agent.
 *
 * @param {{ url: string, token: string }} options url without a path: `http://127.0.0.1:4000`
 */
export function createApi({ url, token }) {
  const authorization = `Bearer ${token}`;
  return {
    /**
     * One operation over HTTP.
     *
     * @param {string} query
     * @param {Record<string, unknown>} [variables]
     * @returns {Promise<Record<string, any>>} the data
     * @throws {Refusal} what the server said no to; any other error: it gave no answer
     */
    async ask(query, variables) {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization },
        body: JSON.stringify({ query, variables }),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const { data, errors } = await response.json();
      if (errors) throw new Refusal(errors[0]);
      return data;
    },

    /**
     * The messages of one subscription over a websocket of its own, until that breaks or `signal` ends it.
     *
     * @param {string} query
     * @param {Record<string, unknown>} variables
     * @param {AbortSignal} signal
     * @returns {AsyncGenerator<Record<string, any>>} the data of each message
     * @throws {TokenEnded | Refusal} or whatever broke the connection
     */
    async *watch(query, variables, signal) {
      const client = createClient({
        url: `${url.replace(/^http/, 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams: { authorization },
        // Whoever comes again asks for something else: what has changed since the last message.
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
        throw inWords(error);
      } finally {
        signal.removeEventListener('abort', end);
        await client.dispose();
      }
    },
  };
}

/** @typedef {ReturnType<typeof createApi>} Api */

function inWords(error) {
  if (Array.isArray(error)) return new Refusal(error[0]);
  if (error?.code === 4401) return new TokenEnded(error.reason);
  return error instanceof Error
    ? error
    : new Error(`the socket was closed: ${error?.code} ${error?.reason ?? ''}`);
}
