import type { Caller } from './modules/auth/caller.ts';
import { watchedSessions } from './modules/auth/watch-session.ts';
import { watchedUsers } from './modules/user/watch-viewer.ts';
import type { RequestScope } from './platform/request-scope.ts';
import type { Services } from './platform/services.ts';
import type { WatchKind } from './platform/watch-kind.ts';

/** What can be subscribed to, each kind polled once for all of its subscribers. */
export interface Watched {
  watchedUsers: WatchKind;
  watchedSessions: WatchKind;
}

/** What a resolver gets: the services, and who is asking. */
export interface Context extends Services, Watched {
  caller: Caller;
  request: RequestScope;
}

/** Made once for a process. */
export function createWatched(services: Services): Watched {
  return { watchedUsers: watchedUsers(services), watchedSessions: watchedSessions(services) };
}
