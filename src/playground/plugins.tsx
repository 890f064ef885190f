import { explorerPlugin } from '@graphiql/plugin-explorer';
import type { GraphiQLPlugin } from '@graphiql/react';
import { HISTORY_PLUGIN } from 'graphiql';
import { NowPanel } from './now/now-panel.tsx';
import { TasksPanel } from './tasks/tasks-panel.tsx';

export const TASKS_PLUGIN: GraphiQLPlugin = {
  title: 'Ready-made operations',
  icon: () => (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.7" aria-hidden="true">
      <path d="M9 6h11M9 12h11M9 18h11" strokeLinecap="round" />
      <path d="m3 6 1.2 1.2L6.5 5M3 12l1.2 1.2L6.5 11M3 18l1.2 1.2L6.5 17" strokeLinecap="round" />
    </svg>
  ),
  content: TasksPanel,
};

const NOW_PLUGIN: GraphiQLPlugin = {
  title: 'Now',
  icon: () => (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.7" aria-hidden="true">
      <path d="M3 13h4l3-8 4 14 3-6h4" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  ),
  content: NowPanel,
};

export const PLUGINS: GraphiQLPlugin[] = [TASKS_PLUGIN, NOW_PLUGIN, HISTORY_PLUGIN, explorerPlugin()];
