import { createServer } from 'node:http';
import { acceptOnManyHandles } from '../../dist/src/platform/http/many-handles.js';

// An HTTP server in its own process. Each request blocks its event loop for 5 ms.
const WORK_MS = 5;

const server = createServer((_request, response) => {
  const until = performance.now() + WORK_MS;
  while (performance.now() < until);
  response.end();
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, async () => {
  if (process.argv[2] === 'many') await acceptOnManyHandles(server, console);
  process.send(`http://127.0.0.1:${server.address().port}`);
});
