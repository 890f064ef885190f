import type { Services } from '../../../platform/services.ts';
import { findAgent, hashServerToken } from './find-agent.ts';

/** How long a result is cached. */
const CACHE_MS = 10_000;

/** Beyond it the oldest result is evicted: clients can send any number of made-up tokens. */
const MAX_CACHED = 2_000;

/**
 * Decides which limits a request gets before it is authenticated. Results are up to ten seconds
 * old, so they must not decide about access.
 */
export interface ServerTokens {
  /** Whether an Authorization header has the token of a server. */
  isKnown(authorization: string | undefined): Promise<boolean>;
}

export function createServerTokens(services: Pick<Services, 'db'>): ServerTokens {
  const cached = new Map<string, { isKnown: Promise<boolean>; readAt: number }>();
  const read = (token: string): Promise<boolean> => {
    const key = Buffer.from(hashServerToken(token)).toString('base64');
    const known = cached.get(key);
    if (known && performance.now() - known.readAt < CACHE_MS) return known.isKnown;
    cached.delete(key);
    const [oldest] = cached.keys();
    if (oldest !== undefined && cached.size >= MAX_CACHED) cached.delete(oldest);
    const isKnown = findAgent(services, token).then((agent) => agent !== null);
    cached.set(key, { isKnown, readAt: performance.now() });
    isKnown.catch(() => cached.delete(key));
    return isKnown;
  };
  return {
    isKnown: async (authorization) => {
      const token = /^Bearer +(srv_\S+)$/i.exec(authorization ?? '')?.[1];
      return token !== undefined && read(token);
    },
  };
}
