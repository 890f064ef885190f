import { useEffect, useState } from 'react';
import icon from '../icon.svg';
import { useConnection, useSessionState } from './session-context.tsx';
import { SignInDialog } from './sign-in-dialog.tsx';

const ROLES = { ADMIN: 'admin', USER: 'user', AGENT: 'agent' } as const;

/**
 * Shows the signed-in account, with buttons to sign in and out. Opens the sign-in dialog on load
 * and when the session is no longer valid.
 */
export function AccountBar() {
  const { session } = useConnection();
  const { identity, notice } = useSessionState();
  const [isDialogOpen, setIsDialogOpen] = useState(true);
  useEffect(() => {
    if (notice) setIsDialogOpen(true);
  }, [notice]);
  const closeDialog = () => {
    setIsDialogOpen(false);
    session.discard();
  };
  const signOut = () => {
    setIsDialogOpen(false);
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
          <button type="button" className="primary" onClick={() => setIsDialogOpen(true)}>
            Sign in
          </button>
        </p>
      )}
      {!identity && isDialogOpen && <SignInDialog notice={notice} onClose={closeDialog} />}
    </header>
  );
}
