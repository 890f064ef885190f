import { connect } from 'node:net';

// Keep-alive HTTP/1.1 client on a bare socket: `node:http` would need more processor time than the
// servers that are measured. Understands responses with a Content-Length, and those without a body.

/** The bytes of a GraphQL request. A body makes it a POST. */
export function requestBytes(url, { path = '/graphql', token, body, headers = {} }) {
  const lines = [`${body === undefined ? 'GET' : 'POST'} ${path} HTTP/1.1`, `host: ${new URL(url).host}`];
  const all = {
    ...{ accept: 'application/json', ...(token && { authorization: `Bearer ${token}` }), ...headers },
    ...(body !== undefined && {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    }),
  };
  for (const [name, value] of Object.entries(all)) lines.push(`${name}: ${value}`);
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`;
}

/** Opens a connection. `ask` sends one request and settles with its response. */
export async function openConnection(url) {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  let received = [];
  let missing = 0;
  let head;
  let pending;
  const fail = (error) => {
    pending?.fail(error);
    pending = undefined;
  };
  socket.on('error', fail).on('close', () => fail(new Error('the connection was closed')));
  socket.on('data', (chunk) => {
    received.push(chunk);
    missing -= chunk.length;
    if (missing > 0) return;
    const bytes = received.length === 1 ? received[0] : Buffer.concat(received);
    received = [bytes];
    head ??= parseHead(bytes);
    missing = head ? head.length - bytes.length : 0;
    if (!head || missing > 0) return;
    const response = { ...head, body: bytes.subarray(head.bodyAt) };
    received = [];
    missing = 0;
    head = undefined;
    const { done } = pending;
    pending = undefined;
    done(response);
  });
  await new Promise((done, failed) => socket.once('connect', done).once('error', failed));
  return {
    ask: (bytes) =>
      new Promise((done, failed) => {
        pending = { done, fail: failed };
        socket.write(bytes);
      }),
    close: () => socket.destroy(),
  };
}

/** Undefined while the head is incomplete. */
function parseHead(bytes) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const head = bytes.latin1Slice(0, end);
  const status = Number(head.slice(9, 12));
  const bodyAt = end + 4;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined && status !== 304 && status !== 204)
    throw new Error(`unexpected response without a Content-Length:\n${head}`);
  return { head, status, bodyAt, length: bodyAt + (status === 304 ? 0 : Number(length ?? 0)) };
}
