import { createContext, type ReactNode, useContext, useSyncExternalStore } from 'react';
import type { Session, SessionState } from './session.ts';
import type { Transport } from './transport.ts';

interface Surroundings {
  session: Session;
  transport: Transport;
}

const SurroundingsContext = createContext<Surroundings | null>(null);

export function SessionProvider({ children, ...surroundings }: Surroundings & { children: ReactNode }) {
  return <SurroundingsContext value={surroundings}>{children}</SurroundingsContext>;
}

export function useSurroundings(): Surroundings {
  const surroundings = useContext(SurroundingsContext);
  if (!surroundings) throw new Error('there is no SessionProvider around this');
  return surroundings;
}

/** Who is signed in; renders again when that changes. */
export function useSessionState(): SessionState {
  const { session } = useSurroundings();
  return useSyncExternalStore(session.subscribe, () => session.state);
}
