import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

// The peer of `bench/pushes.mjs`: graphql-ws without authentication, execution or data. A POST
// sends its body, the payload of a message, to every subscription.

let payload = {};
const waiting = new Set();

function change(body) {
  payload = JSON.parse(body);
  const wakes = [...waiting];
  waiting.clear();
  for (const wake of wakes) wake();
}

async function* payloads() {
  for (;;) {
    yield payload;
    await new Promise((wake) => waiting.add(wake));
  }
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  change(Buffer.concat(chunks).toString());
  response.end();
});
const sockets = new WebSocketServer({ server, path: '/graphql', perMessageDeflate: false });
useServer({ schema: buildSchema(readFileSync('schema.graphql', 'utf8')), subscribe: payloads }, sockets);
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => {
  process.stdout.write(`Peer is ready. http://127.0.0.1:${server.address().port}/\n`);
});
process.once('SIGTERM', () => process.exit(0));
