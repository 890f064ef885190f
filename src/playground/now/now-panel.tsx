import { useEffect, useState } from 'react';
import { useSessionState } from '../session/session-context.tsx';
import { type Advice, adviceFor } from './advice.ts';
import { Chart, type Line } from './chart.tsx';
import { PlanBars } from './plan-bars.tsx';
import type { Sample, Statistics } from './statistics.ts';
import { useStatistics } from './statistics-context.tsx';

/** Live statistics of the service, with the history of the last five minutes. */
export function NowPanel() {
  const { identity } = useSessionState();
  return (
    <section className="panel now" aria-label="Now">
      <h2>Now</h2>
      {identity?.role === 'ADMIN' ? (
        <Live />
      ) : (
        <p className="hint">Sign in as an admin to see live statistics.</p>
      )}
    </section>
  );
}

function Live() {
  const { latest, samples, receivedAt, problem } = useStatistics();
  const silentSeconds = useSecondsSince(receivedAt);
  if (problem)
    return (
      <AdviceCard
        advice={{ level: 'bad', title: problem, action: 'Sign out and in again, or reload the page.' }}
      />
    );
  if (!latest)
    return (
      <p className="hint">{silentSeconds > 5 ? 'The server is not responding. Retrying …' : 'Loading …'}</p>
    );
  return (
    <>
      <Verdict advice={adviceFor({ latest, silentSeconds })} />
      {METRICS.map((metric) => (
        <MetricCard key={metric.title} metric={metric} latest={latest} samples={samples} />
      ))}
      <PlanBars redemptions={latest.redemptionsToday} />
      <p className="hint">
        Last update: {new Date(latest.at).toLocaleTimeString([], { hour12: false })} (server time)
      </p>
    </>
  );
}

function Verdict({ advice }: { advice: Advice[] }) {
  if (advice.length === 0) return <p className="verdict good">No problems detected.</p>;
  return advice.map((one) => <AdviceCard key={one.title} advice={one} />);
}

function AdviceCard({ advice: { level, title, action } }: { advice: Advice }) {
  return (
    <div className={`verdict ${level}`} role={level === 'bad' ? 'alert' : 'status'}>
      <strong>{title}</strong>
      <p>{action}</p>
    </div>
  );
}

interface Metric {
  title: string;
  unit: string;
  lines: readonly Line[];
}

const METRICS: readonly Metric[] = [
  {
    title: 'Activations',
    unit: 'per second, 10 s average',
    lines: [{ label: 'per second', color: '--line-1', value: (now) => now.activationsPerSecond }],
  },
  {
    title: 'Orders waiting',
    unit: 'for activation',
    lines: [{ label: 'waiting', color: '--line-2', value: (now) => now.queueDepth }],
  },
  {
    title: 'Oldest waiting order',
    unit: 'seconds',
    lines: [{ label: 'seconds', color: '--line-4', value: (now) => now.oldestPaidOrderSeconds ?? 0 }],
  },
  {
    title: 'Devices online',
    unit: '',
    lines: [{ label: 'online', color: '--line-3', value: (now) => now.devicesOnline }],
  },
  {
    title: 'Servers',
    unit: '',
    lines: [
      { label: 'online', color: '--line-3', value: (now) => now.serversOnline },
      { label: 'lagging', color: '--line-2', value: (now) => now.serversLagging },
      { label: 'offline', color: '--line-4', value: (now) => now.serversOffline },
    ],
  },
];

interface MetricCardProps {
  metric: Metric;
  latest: Statistics;
  samples: readonly Sample[];
}

function MetricCard({ metric: { title, unit, lines }, latest, samples }: MetricCardProps) {
  const isAlone = lines.length === 1;
  return (
    <section className="metric" aria-label={title}>
      <header>
        <h3>{title}</h3>
        {lines.map(({ label, color, value }) => (
          <p key={label} className="value">
            {!isAlone && <i style={{ background: `var(${color})` }} />}
            <strong data-metric={isAlone ? title : `${title} ${label}`}>{formatNumber(value(latest))}</strong>{' '}
            <small>{isAlone ? unit : label}</small>
          </p>
        ))}
      </header>
      <Chart label={`${title}, the last five minutes`} samples={samples} lines={lines} />
    </section>
  );
}

const formatNumber = (value: number | null) =>
  value === null ? '–' : value.toLocaleString('en', { maximumFractionDigits: 1 });

/** Re-renders every second, so that missing updates become visible. */
function useSecondsSince(receivedAt: number): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return Math.max(0, (now - receivedAt) / 1_000);
}
