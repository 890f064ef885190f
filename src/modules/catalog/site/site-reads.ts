import type { SiteSettings } from '../../../generated/prisma/client.ts';
import { createSharedRead } from '../../../platform/concurrency/shared-read.ts';
import { LocalCache } from '../../../platform/local-cache.ts';
import type { Services } from '../../../platform/services.ts';
import { SITE_CHANGED } from '../../kernel/topics.ts';
import { readSiteSettings } from './read-site-settings.ts';

export interface SiteReads {
  /**
   * The settings of the site, at most a second old, and up to date as soon as the process learns
   * that they changed. For what clients see; decisions about rows read the settings with
   * `readSiteSettings`.
   */
  recentSiteSettings: () => Promise<SiteSettings>;
}

const OWNER = 'site';
const MAX_AGE_MS = 1_000;

/** Call once per process. */
export function createSiteReads({ db, pubSub }: Pick<Services, 'db' | 'pubSub'>): SiteReads {
  const cache = new LocalCache<SiteSettings>({ maxAgeMs: MAX_AGE_MS, entries: 1, bytes: 0 });
  const read = createSharedRead(() => readSiteSettings({ db }));
  pubSub.onWake((topic) => {
    if (topic === SITE_CHANGED) cache.evictAll();
  });
  pubSub.onReconnect(() => cache.evictAll());
  return { recentSiteSettings: () => cache.read(OWNER, read) };
}
