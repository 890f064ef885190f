import { describe, expect, it } from 'vitest';
import { type BrowserStorage, createWorkspaceStorage } from '../../src/playground/workspace-storage.ts';

/** In place of `localStorage`. */
class TestStorage implements BrowserStorage {
  readonly #items: Map<string, string>;

  constructor(items: Record<string, string>) {
    this.#items = new Map(Object.entries(items));
  }

  get length() {
    return this.#items.size;
  }

  getItem = (key: string) => this.#items.get(key) ?? null;
  setItem = (key: string, value: string) => void this.#items.set(key, value);
  removeItem = (key: string) => void this.#items.delete(key);
  key = (index: number) => [...this.#items.keys()][index] ?? null;
  all = () => Object.fromEntries(this.#items);
}

const PREFERENCES = { 'graphiql:theme': 'dark', 'graphiql:visiblePlugin': 'Now', 'graphiql:editorFlex': '1' };

describe('createWorkspaceStorage', () => {
  it('persists preferences, and keeps everything else in memory', () => {
    const browser = new TestStorage({});
    const storage = createWorkspaceStorage(browser);
    const typed = ['tabState', 'query', 'variables', 'headers', 'queries', 'favorites', 'operationName'];
    for (const [key, value] of Object.entries(PREFERENCES)) storage.setItem(key, value);
    for (const key of typed) storage.setItem(`graphiql:${key}`, 'secret');

    expect(browser.all()).toEqual(PREFERENCES);
    for (const key of typed) expect(storage.getItem(`graphiql:${key}`)).toBe('secret');
    expect(createWorkspaceStorage(browser).getItem('graphiql:queries')).toBeNull();
    expect(createWorkspaceStorage(browser).getItem('graphiql:theme')).toBe('dark');
  });

  it('removes what earlier versions have persisted, and nothing of other pages', () => {
    const others = { 'shop:cart': 'x' };
    const browser = new TestStorage({
      'graphiql:queries': '[]',
      ...PREFERENCES,
      ...others,
      'graphiql:tabState': '{}',
    });

    createWorkspaceStorage(browser);

    expect(browser.all()).toEqual({ ...PREFERENCES, ...others });
  });

  it('clears the preferences with everything else', () => {
    const browser = new TestStorage({ ...PREFERENCES, 'shop:cart': 'x' });
    const storage = createWorkspaceStorage(browser);
    storage.setItem('graphiql:query', '{ plans { id } }');

    storage.clear();
    storage.removeItem('graphiql:theme');

    expect(storage.getItem('graphiql:query')).toBeNull();
    expect(browser.all()).toEqual({ 'shop:cart': 'x' });
  });
});
