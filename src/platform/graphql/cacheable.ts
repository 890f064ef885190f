import type { ApolloServerPlugin, BaseContext } from '@apollo/server';
import { REVALIDATE } from '../http/conditional-get.ts';

/**
 * Lets clients cache error-free responses to GET privately, and revalidate them by `ETag`; nothing
 * else may be stored.
 */
export function markCacheable<Context extends BaseContext>(): ApolloServerPlugin<Context> {
  return {
    requestDidStart: async () => ({
      willSendResponse: async ({ request, response: { body, http } }) => {
        const isComplete =
          body.kind === 'single' && body.singleResult.data != null && !body.singleResult.errors;
        const isCacheable = request.http?.method === 'GET' && isComplete;
        http.headers.set('cache-control', isCacheable ? REVALIDATE : 'no-store');
      },
    }),
  };
}
