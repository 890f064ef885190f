import { Agent, request } from 'node:http';
import { WebSocket } from 'ws';

/** Longer than any operation may take. */
const RESPONSE_TIMEOUT_MS = 10_000;

const agent = new Agent({ keepAlive: true, maxSockets: 512 });

/** A response and its duration. */
export interface Reply {
  status: number;
  text: string;
  tookMs: number;
}

/** Sends the bytes unchanged as a request body. */
export function send(
  url: string,
  body: string | Buffer,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const fail = (error: Error) =>
      resolve({ status: 0, text: error.message, tookMs: performance.now() - startedAt });
    const sent = request(
      `${url}/graphql`,
      { agent, method: 'POST', headers: { 'content-type': 'application/json', ...headers } },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, text, tookMs: performance.now() - startedAt }),
        );
        response.once('error', fail);
      },
    );
    sent.once('error', fail);
    sent.setTimeout(RESPONSE_TIMEOUT_MS, () => sent.destroy(new Error(`no response to ${body}`)));
    sent.end(body);
  });
}

/** All error codes in a response. */
export function codesIn(text: string): string[] {
  return [...text.matchAll(/"code":"([A-Z_]+)"/g)].map(([, code]) => code ?? '');
}

/** An acknowledged websocket. */
export interface Connection {
  socket: WebSocket;
  /** Sends a message. @returns the next message received, or the close code and reason */
  ask(message: string | Buffer): Promise<Reply>;
  close(): void;
}

/** @throws Error if the server does not acknowledge the connection */
export async function openConnection(
  url: string,
  token: string,
  headers: Record<string, string> = {},
): Promise<Connection> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers });
  let answer: (reply: Omit<Reply, 'tookMs'>) => void = () => {};
  socket.on('error', (error) => answer({ status: 0, text: error.message }));
  socket.on('close', (status, reason) => answer({ status, text: String(reason) }));
  socket.on('message', (message) => answer({ status: 200, text: String(message) }));
  const ask: Connection['ask'] = async (message) => {
    const startedAt = performance.now();
    const reply = await new Promise<Omit<Reply, 'tookMs'>>((resolve) => {
      const timer = setTimeout(
        () => answer({ status: 0, text: `no response to ${message}` }),
        RESPONSE_TIMEOUT_MS,
      );
      answer = (came) => {
        clearTimeout(timer);
        resolve(came);
      };
      if (socket.readyState === WebSocket.OPEN) socket.send(message);
      else answer({ status: 0, text: 'closed' });
    });
    return { ...reply, tookMs: performance.now() - startedAt };
  };
  await new Promise((resolve) => {
    socket.once('open', resolve);
    socket.once('close', resolve);
  });
  const greeting = await ask(
    JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }),
  );
  if (!greeting.text.includes('connection_ack'))
    throw new Error(`not acknowledged: ${JSON.stringify(greeting)}`);
  return { socket, ask, close: () => socket.terminate() };
}
