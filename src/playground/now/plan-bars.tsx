import type { Statistics } from './statistics.ts';

/** Number of redemptions today by plan. */
export function PlanBars({ redemptions }: { redemptions: Statistics['redemptionsToday'] }) {
  const total = redemptions.reduce((sum, { count }) => sum + count, 0);
  const most = Math.max(1, ...redemptions.map(({ count }) => count));
  return (
    <section className="metric" aria-label="Redemptions today">
      <header>
        <h3>Redemptions today</h3>
        <p className="value">
          <strong data-metric="Redemptions today">{total.toLocaleString('en')}</strong>{' '}
          <small>since 0:00 UTC</small>
        </p>
      </header>
      {total === 0 && <p className="hint">None so far.</p>}
      <ul className="bars">
        {redemptions.map(({ plan, count }) => (
          <li key={plan.id}>
            <span className="name" title={plan.name}>
              {plan.name}
            </span>
            <meter min={0} max={most} value={count} aria-hidden="true" />
            <span className="count">{count.toLocaleString('en')}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
