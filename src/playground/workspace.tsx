import { GraphiQL } from 'graphiql';
import { useState } from 'react';
import { DEFAULT_QUERY } from './default-query.ts';
import { PLUGINS, TASKS_PLUGIN } from './plugins.tsx';
import { SchemaNotice } from './schema-notice.tsx';
import { useConnection, useSessionState } from './session/session-context.tsx';
import { createWorkspaceStorage } from './workspace-storage.ts';

/**
 * Editors with their tabs, responses and history. Replaced by empty ones when the workspace of the
 * session changes.
 */
export function Workspace() {
  const { workspace } = useSessionState();
  return <Editors key={workspace} />;
}

function Editors() {
  const { transport } = useConnection();
  const [storage] = useState(() => createWorkspaceStorage(window.localStorage));
  return (
    <GraphiQL
      fetcher={transport.fetcher}
      storage={storage}
      plugins={PLUGINS}
      visiblePlugin={TASKS_PLUGIN}
      defaultQuery={DEFAULT_QUERY}
      defaultEditorToolsVisibility="variables"
      shouldPersistHeaders={false}
      showPersistHeadersSettings={false}
      inputValueDeprecation
      schemaDescription
      customScalarSchemas={{ JSON: {} }}
    >
      <GraphiQL.Logo>
        <SchemaNotice />
      </GraphiQL.Logo>
    </GraphiQL>
  );
}
