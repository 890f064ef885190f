import type { Identity } from '../session/session.ts';
import { readTask, type Task } from './task-file.ts';
import { TASK_GROUPS, type TaskGroup } from './task-groups.ts';

/** A group with its tasks, in the order of their files' names. */
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

/** What somebody may do, and has the words in it; for somebody unknown, what all may do. */
export function findTasks({ identity, words }: { identity: Identity | null; words: string }): TaskList[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  return catalogue
    .filter(({ audience }) => isFor(audience, identity))
    .map((group) => ({ ...group, tasks: group.tasks.filter((task) => matches(group, task, wanted)) }))
    .filter(({ tasks }) => tasks.length > 0);
}

function isFor(audience: TaskGroup['audience'], identity: Identity | null): boolean {
  if (audience === 'EVERYBODY') return true;
  if (audience === 'PERSON') return identity?.role === 'USER' || identity?.role === 'ADMIN';
  return audience === identity?.role;
}

function matches(
  group: TaskGroup,
  { title, description, document }: Task,
  wanted: readonly string[],
): boolean {
  const text = `${group.title} ${title} ${description} ${document}`.toLowerCase();
  return wanted.every((word) => text.includes(word));
}
