import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

/** What the page may do: show what we serve and talk to us. The editor styles itself as it goes. */
const POLICY = {
  useDefaults: false,
  directives: {
    'default-src': ["'none'"],
    'script-src': ["'self'"],
    'worker-src': ["'self'"],
    'style-src': ["'self'", "'unsafe-inline'"],
    'font-src': ["'self'", 'data:'],
    'img-src': ["'self'", 'data:'],
    // Websockets to this very host are 'self', too.
    'connect-src': ["'self'"],
    'base-uri': ["'none'"],
    'form-action': ["'none'"],
    'frame-ancestors': ["'none'"],
  },
};

/**
 * Serves the playground at `/playground/`, in the way it was built. Everything in it is relative, so it works under
 * whatever host and path a proxy shows it.
 */
export async function servePlayground(app: FastifyInstance): Promise<void> {
  const root = builtPlayground();
  await app.register(fastifyStatic, {
    ...{ root, serve: false, cacheControl: false, dotfiles: 'ignore' },
    // Only for what is there: names in assets/ have the hash of their content.
    setHeaders: (reply, path) => {
      const isImmutable = path.startsWith(join(root, 'assets', '/'));
      void reply.header('cache-control', isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
  app.get('/playground', (_request, reply) => reply.redirect('playground/', 302));
  const options = { helmet: { contentSecurityPolicy: POLICY } };
  app.get<{ Params: { '*': string } }>('/playground/*', options, (request, reply) =>
    reply.sendFile(request.params['*'] || 'index.html'),
  );
}

/** This file runs from src and from dist/src. */
function builtPlayground(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return join(folder, 'dist', 'playground');
}
