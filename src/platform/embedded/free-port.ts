import { createServer } from 'node:net';
import { EmbeddedError } from './embedded-error.ts';

/** The wished port when nobody has it, else any free one. */
export function freePort(wished = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', () =>
      wished === 0 ? reject(new EmbeddedError('There is no free port.')) : resolve(freePort()),
    );
    probe.listen({ host: '127.0.0.1', port: wished }, () => {
      const address = probe.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
