import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { ownFolder } from '../platform/own-package.ts';

/** Restricts the page to this origin. Inline styles are needed by the editor. */
const POLICY = {
  useDefaults: false,
  directives: {
    'default-src': ["'none'"],
    'script-src': ["'self'"],
    'worker-src': ["'self'"],
    'style-src': ["'self'", "'unsafe-inline'"],
    'font-src': ["'self'", 'data:'],
    'img-src': ["'self'", 'data:'],
    // Also allows websockets to this host.
    'connect-src': ["'self'"],
    'base-uri': ["'none'"],
    'form-action': ["'none'"],
    'frame-ancestors': ["'none'"],
  },
};

/**
 * Serves the built playground at `/playground/`. All of its URLs are relative, so a proxy can
 * expose it under any host and path.
 */
export async function servePlayground(app: FastifyInstance): Promise<void> {
  const root = join(ownFolder(), 'dist', 'playground');
  await app.register(fastifyStatic, {
    ...{ root, serve: false, cacheControl: false, dotfiles: 'ignore' },
    // File names in assets/ contain a hash of the content. Not called for missing files.
    setHeaders: (reply, path) => {
      const isImmutable = path.startsWith(join(root, 'assets', '/'));
      void reply.header('cache-control', isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
  // Where people look first.
  app.get('/', (_request, reply) => reply.redirect('playground/', 302));
  app.get('/playground', (_request, reply) => reply.redirect('playground/', 302));
  const options = { helmet: { contentSecurityPolicy: POLICY } };
  app.get<{ Params: { '*': string } }>('/playground/*', options, (request, reply) =>
    reply.sendFile(request.params['*'] || 'index.html'),
  );
}
