import { WebSocket } from 'ws';

// Websocket clients in their own process. Each has one subscription. Reports once every client has
// received a message that contains the expected text.

/** Concurrent first reads, few enough not to trigger load shedding. */
const CONCURRENCY = 16;
const RETRY_MS = 500;

const TYPE = /^.{0,50}?"type":"(\w+)"/;

let expected;
let sample;

process.on('message', async (job) => {
  if (job.expect !== undefined) expect(job);
  else process.send(await openAll(job));
});

const clients = [];

async function openAll({ url, subscriptions }) {
  let next = 0;
  const lane = async () => {
    while (next < subscriptions.length) clients.push(await open(url, subscriptions[next++]));
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, lane));
  return { sample: JSON.parse(sample).payload };
}

/** Settles with the first message of the subscription. */
function open(url, { token, query, variables }) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    perMessageDeflate: false,
  });
  const send = (message) => socket.send(JSON.stringify(message));
  const subscribe = () => send({ id: '1', type: 'subscribe', payload: { query, variables } });
  return new Promise((done, fail) => {
    const client = { isCurrent: false };
    const on = {
      connection_ack: subscribe,
      ping: () => send({ type: 'pong' }),
      next: (text) => {
        sample ??= text;
        if (expected) received(client, text);
        done(client);
      },
      error: (text) => {
        if (!text.includes('SERVICE_UNAVAILABLE')) throw new Error(text);
        setTimeout(subscribe, RETRY_MS);
      },
    };
    socket.on('error', fail).on('close', (code, reason) => fail(new Error(`closed: ${code} ${reason}`)));
    socket.once('open', () =>
      send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }),
    );
    socket.on('message', (data) => {
      const text = data.toString();
      const type = TYPE.exec(text)?.[1];
      if (type === undefined || !(type in on)) throw new Error(`unexpected message: ${text.slice(0, 500)}`);
      on[type](text);
    });
  });
}

function expect({ expect: text, count }) {
  for (const client of clients) client.isCurrent = false;
  expected = { text, missing: count, messages: 0, bytes: 0, first: undefined };
}

function received(client, text) {
  expected.messages += 1;
  expected.bytes += text.length;
  if (client.isCurrent || !text.includes(expected.text)) return;
  client.isCurrent = true;
  expected.missing -= 1;
  if (expected.missing > 0) return;
  const { messages, bytes } = expected;
  process.send({ messages, bytes });
}
