import type { Identity } from '../session/session.ts';
import { readTask, type Task } from './task-file.ts';
import { TASK_GROUPS, type TaskGroup } from './task-groups.ts';

/** A group with its tasks, sorted by file name. */
export interface TaskList extends TaskGroup {
  tasks: readonly Task[];
}

const files = import.meta.glob<string>('../operations/*/*.graphql', {
  query: '?raw',
  import: 'default',
  eager: true,
});

const catalogue: readonly TaskList[] = TASK_GROUPS.map((group) => ({
  ...group,
  tasks: Object.entries(files)
    .filter(([path]) => path.startsWith(`../operations/${group.folder}/`))
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, text]) => readTask(text)),
}));

/** Finds the tasks that the account may run and that contain all the words. */
export function findTasks({ identity, words }: { identity: Identity | null; words: string }): TaskList[] {
  const terms = words.toLowerCase().split(/\s+/).filter(Boolean);
  return catalogue
    .filter(({ audience }) => isFor(audience, identity))
    .map((group) => ({ ...group, tasks: group.tasks.filter((task) => matches(group, task, terms)) }))
    .filter(({ tasks }) => tasks.length > 0);
}

function isFor(audience: TaskGroup['audience'], identity: Identity | null): boolean {
  if (audience === 'PUBLIC') return true;
  if (audience === 'ACCOUNT') return identity?.role === 'USER' || identity?.role === 'ADMIN';
  return audience === identity?.role;
}

function matches(
  group: TaskGroup,
  { title, description, document }: Task,
  terms: readonly string[],
): boolean {
  const text = `${group.title} ${title} ${description} ${document}`.toLowerCase();
  return terms.every((term) => text.includes(term));
}
