import { createContext, type ReactNode, useContext, useSyncExternalStore } from 'react';
import type { Session, SessionState } from './session.ts';
import type { Transport } from './transport.ts';

interface Connection {
  session: Session;
  transport: Transport;
}

const ConnectionContext = createContext<Connection | null>(null);

export function SessionProvider({ children, ...connection }: Connection & { children: ReactNode }) {
  return <ConnectionContext value={connection}>{children}</ConnectionContext>;
}

export function useConnection(): Connection {
  const connection = useContext(ConnectionContext);
  if (!connection) throw new Error('useConnection must be used within SessionProvider');
  return connection;
}

/** Returns the state of the session, and re-renders when it changes. */
export function useSessionState(): SessionState {
  const { session } = useConnection();
  return useSyncExternalStore(session.subscribe, () => session.state);
}
