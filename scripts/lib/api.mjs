import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { StepError } from './steps.mjs';

/** An answer that takes longer is none. */
const ANSWER_MS = 15_000;

/**
 * Somebody who talks to a server: one operation a request over HTTP, subscriptions over one websocket.
 *
 * @param {string} url without a path: `http://127.0.0.1:4000`
 */
export function createApi(url) {
  let token;
  let socket;
  return {
    /** From now on every request, and a socket opened later, carries this access token. */
    signIn(accessToken) {
      token = accessToken;
    },
    /** The data; a refusal is a StepError in the words of the server. */
    ask: (query, variables) => ask(url, { query, variables }, token),
    /** Opens the websocket, and waits until the server has let us in. */
    async connect() {
      socket = await connect(url, token);
    },
    /** The messages of a subscription, as their data. */
    async *watch(query, variables) {
      try {
        for await (const { data, errors } of socket.iterate({ query, variables })) {
          if (errors) throw refusal(errors);
          yield data;
        }
      } catch (error) {
        throw inWords(error);
      }
    },
    close: () => socket?.dispose(),
  };
}

async function ask(url, body, token) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const { data, errors } = await answerOf(`${url}/graphql`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  });
  if (errors) throw refusal(errors);
  return data;
}

async function answerOf(address, request) {
  try {
    const response = await fetch(address, { ...request, signal: AbortSignal.timeout(ANSWER_MS) });
    return await response.json();
  } catch (error) {
    throw new StepError(`${address} gave no answer: ${error.cause?.message ?? error.message}.`);
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
      onNonLazyError: (error) => reject(inWords(error)),
      on: { connected: () => resolve(socket) },
    });
  });
}

function refusal([{ message, extensions }]) {
  const again = extensions?.retryable ? ' It may be tried again.' : '';
  return new StepError(`The server refuses: ${message} (${extensions?.code})${again}`);
}

/** What graphql-ws throws: a list of errors, how the socket was closed, or an error of the socket. */
function inWords(error) {
  if (error instanceof StepError) return error;
  if (Array.isArray(error)) return refusal(error);
  if (typeof error?.code === 'number')
    return new StepError(`The server closed the websocket: ${error.code} ${error.reason}`);
  return new StepError(`The websocket failed: ${error?.message ?? error}`);
}
