import { useGraphiQL } from '@graphiql/react';
import { useSyncExternalStore } from 'react';

const system = window.matchMedia('(prefers-color-scheme: dark)');

/** Whether the page is dark now: by the setting of GraphiQL, else that of the system. */
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
