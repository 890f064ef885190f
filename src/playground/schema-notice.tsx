import { pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect, useRef } from 'react';
import { useSessionState } from './session/session-context.tsx';

/** Reads the schema again for whoever signs in, and says why there is none. */
export function SchemaNotice() {
  useWrappedLines();
  const { introspect } = useGraphiQLActions();
  const { schema, fetchError } = useGraphiQL(pick('schema', 'fetchError'));
  const { identity } = useSessionState();
  const known = useRef(identity);
  useEffect(() => {
    if (known.current === identity) return;
    known.current = identity;
    void introspect();
  }, [identity, introspect]);
  if (schema || !fetchError) return null;
  return (
    <p className="schema-notice" role="status">
      {identity
        ? 'The schema is shown to admins only here: operations run, without completion and documentation.'
        : 'Sign in as an admin to see the schema: without it there is no completion and no documentation.'}
    </p>
  );
}

/** Nobody scrolls sideways for the end of a sentence. */
function useWrappedLines(): void {
  const queryEditor = useGraphiQL(({ queryEditor }) => queryEditor);
  useEffect(() => queryEditor?.updateOptions({ wordWrap: 'on' }), [queryEditor]);
}
