import { useGraphiQL } from '@graphiql/react';
import { useSyncExternalStore } from 'react';

const system = window.matchMedia('(prefers-color-scheme: dark)');

/** Whether the dark theme is active: the choice made in GraphiQL, or else the system preference. */
export function useIsDark(): boolean {
  const theme = useGraphiQL(({ theme }) => theme);
  const isSystemDark = useSyncExternalStore(
    (listener) => {
      system.addEventListener('change', listener);
      return () => system.removeEventListener('change', listener);
    },
    () => system.matches,
  );
  return theme === null ? isSystemDark : theme === 'dark';
}
