import { pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect, useRef } from 'react';
import { useSessionState } from './session/session-context.tsx';

/** Reloads the schema when another account signs in, and explains why it is unavailable. */
export function SchemaNotice() {
  useWrappedLines();
  const { introspect } = useGraphiQLActions();
  const { schema, fetchError } = useGraphiQL(pick('schema', 'fetchError'));
  const { identity } = useSessionState();
  const previous = useRef(identity);
  useEffect(() => {
    if (previous.current === identity) return;
    previous.current = identity;
    void introspect();
  }, [identity, introspect]);
  if (schema || !fetchError) return null;
  return (
    <p className="schema-notice" role="status">
      {identity
        ? 'Only admins can see the schema. You can run operations, but without completion and documentation.'
        : 'Sign in as an admin to see the schema, which completion and documentation need.'}
    </p>
  );
}

/** Wraps long lines in the editor, such as the comments of ready-made operations. */
function useWrappedLines(): void {
  const queryEditor = useGraphiQL(({ queryEditor }) => queryEditor);
  useEffect(() => queryEditor?.updateOptions({ wordWrap: 'on' }), [queryEditor]);
}
