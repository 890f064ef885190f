import { pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { DEFAULT_QUERY } from '../default-query.ts';
import type { Task } from './task-file.ts';

/** Puts a task into the editors: into the tab that has it already, an unused one, or a new one. */
export function useOpenTask(): (task: Task) => void {
  const { addTab, changeTab, stop } = useGraphiQLActions();
  const editors = useGraphiQL(
    pick('queryEditor', 'variableEditor', 'responseEditor', 'tabs', 'activeTabIndex'),
  );
  return ({ document, variables }) => {
    const { queryEditor, variableEditor, responseEditor, tabs, activeTabIndex } = editors;
    if (!queryEditor) return;
    const known = tabs.findIndex(({ query }) => query === document);
    if (known >= 0) {
      if (known !== activeTabIndex) changeTab(known);
    } else {
      stop();
      if (!isUnused(queryEditor.getValue())) addTab();
      queryEditor.setValue(document);
      variableEditor?.setValue(variables);
      responseEditor?.setValue('');
    }
    queryEditor.focus();
  };
}

const isUnused = (query: string) => query.trim() === '' || query === DEFAULT_QUERY;
