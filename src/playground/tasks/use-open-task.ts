import { pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { DEFAULT_QUERY } from '../default-query.ts';
import type { Task } from './task-file.ts';

/** Puts a task into the editors: into the tab that has it already, an unused one, or a new one. */
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
    const known = editors.tabs.findIndex(({ query }) => query === task.document);
    if (known < 0) load(task);
    else if (known !== editors.activeTabIndex) changeTab(known);
    editors.queryEditor?.focus();
  };
}

const isUnused = (query: string) => query.trim() === '' || query === DEFAULT_QUERY;
