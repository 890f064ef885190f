import { useEffect, useState } from 'react';
import icon from '../icon.svg';
import { useSessionState, useSurroundings } from './session-context.tsx';
import { SignInDialog } from './sign-in-dialog.tsx';

const ROLES = { ADMIN: 'admin', USER: 'user', AGENT: 'agent' } as const;

/** Who is signed in, and the way in and out. Asks at first, and again when the server has ended the session. */
export function AccountBar() {
  const { session } = useSurroundings();
  const { identity, notice } = useSessionState();
  const [isAsking, setIsAsking] = useState(true);
  useEffect(() => {
    if (notice) setIsAsking(true);
  }, [notice]);
  const signOut = () => {
    setIsAsking(false);
    void session.signOut();
  };
  return (
    <header className="account-bar">
      <h1>
        <img src={icon} alt="" width="22" height="22" /> Tessera <span>playground</span>
      </h1>
      {identity ? (
        <p className="account">
          <span className="name" title={identity.name}>
            {identity.name}
          </span>
          <span className="role">{ROLES[identity.role]}</span>
          <button type="button" onClick={signOut}>
            Sign out
          </button>
        </p>
      ) : (
        <p className="account">
          <span className="name">Not signed in</span>
          <button type="button" className="primary" onClick={() => setIsAsking(true)}>
            Sign in
          </button>
        </p>
      )}
      {!identity && isAsking && <SignInDialog notice={notice} onClose={() => setIsAsking(false)} />}
    </header>
  );
}
