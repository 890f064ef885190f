import { createServer } from 'node:net';
import { EmbeddedError } from './embedded-error.ts';

/** Returns the preferred port if it is free, otherwise any free port. */
export function freePort(preferred = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', () =>
      preferred === 0 ? reject(new EmbeddedError('No free port is available.')) : resolve(freePort()),
    );
    probe.listen({ host: '127.0.0.1', port: preferred }, () => {
      const address = probe.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
