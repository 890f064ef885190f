/** The part of `Storage` that GraphiQL uses. */
interface GraphiqlStorage {
  readonly length: number;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
  clear(): void;
}

/** The part of `localStorage` that is used here. */
export interface BrowserStorage extends Omit<GraphiqlStorage, 'clear'> {
  key(index: number): string | null;
}

const PREFIX = 'graphiql:';
/** Theme and layout. Everything else was typed: operations, variables, headers, history. */
const PREFERENCES = /^graphiql:(theme|visiblePlugin|\w+Flex)$/;

/**
 * Creates GraphiQL's storage for one workspace. Only preferences are persisted. The rest stays in
 * memory, so that it is gone with the workspace and when the page is closed.
 *
 * @param preferences such as `localStorage`; what earlier versions of the page stored there is
 *   removed
 */
export function createWorkspaceStorage(preferences: BrowserStorage): GraphiqlStorage {
  removePrivate(preferences);
  const contents = new Map<string, string>();
  const isPreference = (key: string) => PREFERENCES.test(key);
  return {
    getItem: (key) => (isPreference(key) ? preferences.getItem(key) : (contents.get(key) ?? null)),
    setItem: (key, value) => {
      if (isPreference(key)) preferences.setItem(key, value);
      else contents.set(key, value);
    },
    removeItem: (key) => {
      if (isPreference(key)) preferences.removeItem(key);
      else contents.delete(key);
    },
    // GraphiQL's "Clear storage" also resets the preferences.
    clear: () => {
      contents.clear();
      for (const key of keysOf(preferences)) if (isPreference(key)) preferences.removeItem(key);
    },
    get length() {
      return contents.size;
    },
  };
}

function removePrivate(storage: BrowserStorage): void {
  for (const key of keysOf(storage))
    if (key.startsWith(PREFIX) && !PREFERENCES.test(key)) storage.removeItem(key);
}

const keysOf = (storage: BrowserStorage): string[] =>
  Array.from({ length: storage.length }, (_, index) => storage.key(index) ?? '');
