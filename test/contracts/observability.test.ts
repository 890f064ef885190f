import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PlansDocument, RedeemCodeDocument, StatisticsDocument } from '../generated/graphql.ts';
import { startTestApi, type TestApi } from '../support/api.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const alerts = read('examples/observability/alerts.yml');
const dashboard = read('examples/observability/grafana-dashboard.json');
const operations = read('docs/operations.md');

/** Names of metrics of this service or of Node in a text, as in PromQL. */
const metricsIn = (text: string) => new Set(text.match(/\b(?:tessera|nodejs|process)_[a-z0-9_]+/g) ?? []);

let api: TestApi;
/** Names of the metrics of an API process, those of histograms with their suffixes. */
let exposed: Set<string>;
let families: string[];
beforeAll(async () => {
  api = await startTestApi();
  await api.anonymous.get(PlansDocument);
  const text = await (await fetch(`${api.url}/metrics`)).text();
  exposed = new Set(text.split('\n').flatMap((line) => /^(\w+)[{ ]/.exec(line)?.[1] ?? []));
  families = [...text.matchAll(/^# TYPE (\w+)/gm)].flatMap(([, name]) => name ?? []);
});
afterAll(() => api.close());

const samples = async (name: string) => {
  const text = await (await fetch(`${api.url}/metrics`)).text();
  return text.split('\n').filter((line) => line.startsWith(name));
};

describe('the examples for Prometheus and Grafana', () => {
  it.each([
    ['alert rules', alerts],
    ['dashboard', dashboard],
  ])('use metrics in the %s that a process exposes', (_, text) => {
    const used = metricsIn(text);
    expect(used.size).toBeGreaterThan(5);
    // Without values yet, because no such error has occurred.
    const known = new Set([...exposed, ...families]);
    expect([...used].filter((name) => !known.has(name))).toEqual([]);
  });

  it('have a row in docs/operations.md for each alert, and no other', () => {
    const named = [...alerts.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
    const documented = [...operations.matchAll(/^\| `(Tessera\w+)` \|/gm)].map(([, name]) => name);
    expect(documented).toEqual(named);
  });

  it('have every metric of ours in docs/operations.md', () => {
    const documented = metricsIn(operations);
    const missing = families.filter((name) => {
      const base = name.replace(/_(bytes|hits_total|misses_total)$/, '');
      return name.startsWith('tessera_') && !documented.has(name) && !documented.has(base);
    });
    expect(missing).toEqual([]);
  });
});

describe('the duration of operations', () => {
  it('is counted by root field and outcome, whatever name the client chooses', async () => {
    const user = await api.newUser();
    await user.refused(RedeemCodeDocument, { input: { code: '0000000000000000' } });
    await user.refused(StatisticsDocument);
    for (const name of ['A', 'B', 'C']) {
      await fetch(`${api.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ query: `query ${name} { plans { id } globalConfig { name } }` }),
      });
    }
    await fetch(`${api.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ nothing }' }),
    });

    const counts = await samples('tessera_operation_duration_seconds_count');

    const labels = counts.map((line) => line.slice(line.indexOf('{'), line.indexOf('}') + 1));
    expect(labels).toEqual(
      expect.arrayContaining([
        '{operation="query plans",outcome="ok"}',
        '{operation="mutation redeemCode",outcome="refused"}',
        '{operation="query statistics",outcome="refused"}',
        '{operation="invalid",outcome="refused"}',
      ]),
    );
    expect(labels.filter((label) => label.includes('"query plans"'))).toHaveLength(1);
  });
});
