import { Agent, request } from 'node:http';
import { WebSocket } from 'ws';

/** Nobody waits for longer than an operation may take. */
const NO_ANSWER_MS = 10_000;

const agent = new Agent({ keepAlive: true, maxSockets: 512 });

/** What came back, and after how long. */
export interface Reply {
  status: number;
  text: string;
  tookMs: number;
}

/** Sends bytes as the body of a request; nothing is made of them on the way. */
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
    sent.setTimeout(NO_ANSWER_MS, () => sent.destroy(new Error(`no answer to ${body}`)));
    sent.end(body);
  });
}

/** The codes of all errors in an answer. */
export function codesIn(text: string): string[] {
  return [...text.matchAll(/"code":"([A-Z_]+)"/g)].map(([, code]) => code ?? '');
}

/** A websocket that was let in. */
export interface Line {
  socket: WebSocket;
  /** Sends one message. @returns the next one that comes back, or how the socket was closed */
  ask(message: string | Buffer): Promise<Reply>;
  close(): void;
}

/** @throws Error when it is not let in */
export async function openLine(
  url: string,
  token: string,
  headers: Record<string, string> = {},
): Promise<Line> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers });
  let answer: (reply: Omit<Reply, 'tookMs'>) => void = () => {};
  socket.on('error', (error) => answer({ status: 0, text: error.message }));
  socket.on('close', (status, reason) => answer({ status, text: String(reason) }));
  socket.on('message', (message) => answer({ status: 200, text: String(message) }));
  const ask: Line['ask'] = async (message) => {
    const startedAt = performance.now();
    const reply = await new Promise<Omit<Reply, 'tookMs'>>((resolve) => {
      const timer = setTimeout(() => answer({ status: 0, text: `no answer to ${message}` }), NO_ANSWER_MS);
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
  if (!greeting.text.includes('connection_ack')) throw new Error(`not let in: ${JSON.stringify(greeting)}`);
  return { socket, ask, close: () => socket.terminate() };
}
