import { useState } from 'react';
import { useSessionState } from '../session/session-context.tsx';
import { findTasks } from './catalogue.ts';
import type { Task } from './task-file.ts';
import { useOpenTask } from './use-open-task.ts';

/** Lists the ready-made operations by group. Choosing one loads it into the editors. */
export function TasksPanel() {
  const { identity } = useSessionState();
  const [words, setWords] = useState('');
  const openTask = useOpenTask();
  const groups = findTasks({ identity, words });
  return (
    <section className="panel tasks" aria-label="Ready-made operations">
      <h2>Ready-made operations</h2>
      <input
        type="search"
        placeholder="Search: short code, kick, batch …"
        aria-label="Search operations"
        value={words}
        onChange={(event) => setWords(event.target.value)}
      />
      {!identity && <p className="hint">Sign in to see more operations.</p>}
      {groups.length === 0 && <p className="hint">No matching operations.</p>}
      {groups.map(({ folder, title, tasks }) => (
        <section key={folder} aria-label={title}>
          <h3>{title}</h3>
          <ul>
            {tasks.map((task) => (
              <TaskItem key={task.title} task={task} onOpen={() => openTask(task)} />
            ))}
          </ul>
        </section>
      ))}
    </section>
  );
}

function TaskItem({ task: { title, description, document }, onOpen }: { task: Task; onOpen: () => void }) {
  const [, kind = 'query'] = /^(query|mutation|subscription)\b/m.exec(document) ?? [];
  return (
    <li>
      <button type="button" onClick={onOpen}>
        <span className="title">
          {title} <small className={kind}>{KINDS[kind as keyof typeof KINDS]}</small>
        </span>
        <span className="description">{description}</span>
      </button>
    </li>
  );
}

const KINDS = { query: 'read', mutation: 'change', subscription: 'live' } as const;
