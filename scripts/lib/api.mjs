import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { StepError } from './steps.mjs';

const RESPONSE_TIMEOUT_MS = 15_000;

/**
 * An API client: one operation per request over HTTP, subscriptions over one websocket.
 *
 * @param {string} url without a path: `http://127.0.0.1:4000`
 */
export function createApi(url) {
  let token;
  let socket;
  return {
    /** Sends this access token with later requests and sockets. */
    signIn(accessToken) {
      token = accessToken;
    },
    /**
     * Runs a query or mutation.
     *
     * @throws StepError with the message of the server's error
     */
    run: (query, variables) => run(url, { query, variables }, token),
    /** Opens the websocket and waits until the server has accepted it. */
    async connect() {
      socket = await connect(url, token);
    },
    /** Yields the data of each message of a subscription. */
    async *watch(query, variables) {
      try {
        for await (const { data, errors } of socket.iterate({ query, variables })) {
          if (errors) throw toStepError(errors);
          yield data;
        }
      } catch (error) {
        throw describeSocketError(error);
      }
    },
    close: () => socket?.dispose(),
  };
}

async function run(url, body, token) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const { data, errors } = await fetchJson(`${url}/graphql`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  });
  if (errors) throw toStepError(errors);
  return data;
}

async function fetchJson(address, request) {
  try {
    const response = await fetch(address, { ...request, signal: AbortSignal.timeout(RESPONSE_TIMEOUT_MS) });
    return await response.json();
  } catch (error) {
    throw new StepError(`No response from ${address}: ${error.cause?.message ?? error.message}.`);
  }
}

function connect(url, token) {
  return new Promise((resolve, reject) => {
    const socket = createClient({
      url: `${url.replace(/^http/, 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${token}` },
      lazy: false,
      retryAttempts: 0,
      onNonLazyError: (error) => reject(describeSocketError(error)),
      on: { connected: () => resolve(socket) },
    });
  });
}

function toStepError([{ message, extensions }]) {
  const retry = extensions?.retryable ? ' You can retry.' : '';
  return new StepError(`The server returned an error: ${message} (${extensions?.code})${retry}`);
}

/** Converts an error of graphql-ws: a list of GraphQL errors, a close event, or a socket error. */
function describeSocketError(error) {
  if (error instanceof StepError) return error;
  if (Array.isArray(error)) return toStepError(error);
  if (typeof error?.code === 'number')
    return new StepError(`The server closed the websocket: ${error.code} ${error.reason}`);
  return new StepError(`The websocket failed: ${error?.message ?? error}`);
}
