import { StatisticsProvider } from './now/statistics-context.tsx';
import { StatisticsFeed } from './now/statistics-feed.ts';
import { AccountBar } from './session/account-bar.tsx';
import { Session } from './session/session.ts';
import { SessionProvider } from './session/session-context.tsx';
import { createTransport } from './session/transport.ts';
import { Workspace } from './workspace.tsx';

// Relative to the page, so that a proxy can expose both under any path.
const url = new URL('../graphql', window.location.href).href;
const session = new Session({ url });
const transport = createTransport(session, url);
const statistics = new StatisticsFeed({ session, transport });

export function App() {
  return (
    <SessionProvider session={session} transport={transport}>
      <StatisticsProvider feed={statistics}>
        <AccountBar />
        <Workspace />
      </StatisticsProvider>
    </SessionProvider>
  );
}
