import { pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { DEFAULT_QUERY } from '../default-query.ts';
import type { Task } from './task-file.ts';

/** Opens a task in the tab that already contains it, in an unused tab, or else in a new one. */
export function useOpenTask(): (task: Task) => void {
  const { addTab, changeTab, stop } = useGraphiQLActions();
  const editors = useGraphiQL(
    pick('queryEditor', 'variableEditor', 'responseEditor', 'tabs', 'activeTabIndex'),
  );
  const load = ({ document, variables }: Task) => {
    stop();
    if (!isUnused(editors.queryEditor?.getValue() ?? '')) addTab();
    editors.queryEditor?.setValue(document);
    editors.variableEditor?.setValue(variables);
    editors.responseEditor?.setValue('');
  };
  return (task) => {
    const existing = editors.tabs.findIndex(({ query }) => query === task.document);
    if (existing < 0) load(task);
    else if (existing !== editors.activeTabIndex) changeTab(existing);
    editors.queryEditor?.focus();
  };
}

const isUnused = (query: string) => query.trim() === '' || query === DEFAULT_QUERY;
