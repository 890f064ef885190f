import { type ReactNode, type SubmitEvent, useEffect, useRef, useState } from 'react';
import { useConnection } from './session-context.tsx';

/**
 * Asks for e-mail and password, or for a token.
 *
 * @param onClose called after signing in, and when the dialog is dismissed
 */
export function SignInDialog({ notice, onClose }: { notice: string | null; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [withToken, setWithToken] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="sign-in" aria-labelledby="sign-in-title" onClose={onClose}>
      <h2 id="sign-in-title">Sign in</h2>
      {notice && <p className="notice">{notice}</p>}
      {withToken ? <TokenForm onDone={onClose} /> : <PasswordForm onDone={onClose} />}
      <footer>
        <button type="button" className="link" onClick={() => setWithToken(!withToken)}>
          {withToken ? 'Use e-mail and password' : 'Use a token instead'}
        </button>
        <button type="button" className="link" onClick={onClose}>
          Continue without signing in
        </button>
      </footer>
    </dialog>
  );
}

interface FormProps {
  onDone: () => void;
}

function PasswordForm({ onDone }: FormProps) {
  const { session } = useConnection();
  return (
    <SignInForm
      onDone={onDone}
      signIn={(fields) => session.signIn({ email: fields('email').trim(), password: fields('password') })}
    >
      <label>
        E-mail
        <input name="email" type="email" autoComplete="username" required />
      </label>
      <label>
        Password
        <input name="password" type="password" autoComplete="current-password" required />
      </label>
    </SignInForm>
  );
}

function TokenForm({ onDone }: FormProps) {
  const { session } = useConnection();
  return (
    <SignInForm
      onDone={onDone}
      signIn={(fields) =>
        session.useToken(
          fields('token')
            .trim()
            .replace(/^Bearer\s+/i, ''),
        )
      }
    >
      <label>
        Access token
        <textarea name="token" rows={4} autoComplete="off" spellCheck={false} required />
      </label>
      <p className="hint">
        Paste the <code>accessToken</code> of a device, from <code>deviceLogin</code>, to see what its user
        sees, or the <code>srv_…</code> token of a server. The session ends when the token expires.
      </p>
    </SignInForm>
  );
}

interface SignInFormProps extends FormProps {
  children: ReactNode;
  signIn: (fields: (name: string) => string) => Promise<void>;
}

function SignInForm({ children, signIn, onDone }: SignInFormProps) {
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const submit = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setIsBusy(true);
    setProblem(null);
    try {
      await signIn((name) => String(form.get(name) ?? ''));
      onDone();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      setIsBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      {children}
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" className="primary" disabled={isBusy}>
        {isBusy ? 'Signing in …' : 'Sign in'}
      </button>
    </form>
  );
}
