import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  AuditLogDocument,
  LinkTemplatesDocument,
  SetLinkTemplateDocument,
  type SetLinkTemplateMutationVariables,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import {
  buildNode,
  buildPlan,
  buildPlanNode,
  buildSubscription,
  inDays,
} from '../../../support/factories.ts';

let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api.close());

const set = (variables: SetLinkTemplateMutationVariables) => admin.get(SetLinkTemplateDocument, variables);

/** A link to a plan with one node that all formats have, and one that only some have. */
async function newLink(overrides: Parameters<typeof buildSubscription>[1] = {}) {
  const { db } = api.services;
  const { id: planId } = await buildPlan(db, { name: 'Gold: $5' });
  const { id } = await buildNode(db, { name: 'Berlin' });
  const { id: other } = await buildNode(db, {
    ...{ name: 'Paris', protocol: 'ANYTLS', clientConfig: { serverName: 'a.example' } },
  });
  for (const nodeId of [id, other]) await buildPlanNode(db, { planId, nodeId });
  const { token, credential } = await buildSubscription(db, { planId, ...overrides });
  return { url: (format: string) => `${api.url}/s/${token}?format=${format}`, credential };
}

const CLASH = `# ours
mode: global
proxies: [$nodes]
proxy-groups:
  - {name: "$site $plan", type: select, proxies: [$names, DIRECT]}
rules: ["DOMAIN-REGEX,^a$$,DIRECT", "MATCH,$site $plan"]
`;

describe('a template of a link', () => {
  it('is used for every link within a second, with the credential of each', async () => {
    const [one, other] = [await newLink(), await newLink()];
    await fetch(one.url('clash'));
    await set({ format: 'CLASH', text: CLASH });

    for (const { url, credential } of [one, other]) {
      const response = await fetch(url('clash'));
      const document = parse(await response.text());
      expect(document).toMatchObject({
        mode: 'global',
        proxies: [
          { name: 'Berlin', password: credential },
          { name: 'Paris', password: credential },
        ],
        'proxy-groups': [{ name: 'Tessera Gold: $5', proxies: ['Berlin', 'Paris', 'DIRECT'] }],
        rules: ['DOMAIN-REGEX,^a$,DIRECT', 'MATCH,Tessera Gold: $5'],
      });
    }
    expect((await admin.get(LinkTemplatesDocument)).linkTemplates).toContainEqual({
      format: 'CLASH',
      text: CLASH,
    });
    const { auditLog } = await admin.get(AuditLogDocument, {
      filter: { action: 'setLinkTemplate' },
      first: 1,
    });
    expect(auditLog?.nodes).toMatchObject([{ actorId: admin.userId, after: { format: 'clash' } }]);

    await set({ format: 'CLASH', text: null });
    expect(parse(await (await fetch(one.url('clash'))).text()).mode).toBe('rule');
  });

  it.each([
    [
      'SING_BOX',
      'sing-box',
      '{"outbounds": [{"type": "selector", "tag": "$plan", "outbounds": ["$names"]}, "$nodes"]}',
    ],
    ['V2RAY', 'v2ray', '{"remarks": "$site", "outbounds": ["$nodes"]}'],
    ['XRAY', 'xray', '{"remarks": "$site", "outbounds": ["$nodes"]}'],
  ] as const)('can be JSON for %s', async (format, name, text) => {
    const { url } = await newLink();
    await set({ format, text });
    const document = JSON.parse(await (await fetch(url(name))).text());
    expect(JSON.stringify(document)).toContain('"Berlin"');
    expect(document.outbounds.length).toBeGreaterThan(0);
    await set({ format, text: null });
  });

  it('can be lines for Surge, and says why an expired subscription has no nodes', async () => {
    const text = '# $site\n[Proxy]\n$nodes\n\n[Proxy Group]\nAll = select, $names\n';
    await set({ format: 'SURGE', text });
    const { url } = await newLink();
    const live = await (await fetch(url('surge'))).text();
    expect(live).toMatch(
      /^# Tessera\n\[Proxy\]\nBerlin = ss, .*\n\n\[Proxy Group\]\nAll = select, Berlin\n$/,
    );
    const { url: expired } = await newLink({ startsAt: inDays(-9), expiresAt: inDays(-1) });
    expect(await (await fetch(expired('surge'))).text()).toMatch(/\[Proxy\]\nExpired on /);
    await set({ format: 'SURGE', text: null });
  });

  it.each([
    [
      'an unknown placeholder',
      'CLASH',
      'a: 1\nproxies: [$nodes]\nname: $node\n',
      /line 3: unknown placeholder \$node;/,
    ],
    ['invalid YAML', 'CLASH', 'proxies: [$nodes]\nrules: [a\nb: c\n', /line [34]: /],
    ['a duplicate key', 'CLASH', 'proxies: [$nodes]\na: 1\na: 2\n', /line 3: Map keys must be unique/],
    ['no nodes', 'CLASH', 'proxies: []\n', /line 1: must contain a list entry \$nodes exactly once, not 0/],
    ['nodes twice', 'CLASH', 'proxies: [$nodes, $nodes]\n', /exactly once, not 2 times/],
    ['nodes as a value', 'CLASH', 'proxies: $nodes\n', /exactly once, not 0/],
    ['a bare text', 'CLASH', 'hello', /line 1: must be an object in YAML/],
    ['YAML instead of JSON', 'SING_BOX', 'outbounds:\n  - $nodes\n', /line 1: /],
    ['a trailing comma', 'V2RAY', '{\n"outbounds": ["$nodes"],\n}', /line 3: /],
    ['no line of nodes', 'SURGE', '[Proxy]\na $nodes\n', /must contain a line \$nodes exactly once/],
    ['too much text', 'SURGE', `$nodes\n${'x'.repeat(32_768)}`, /at most 32768 characters/],
    ['endless aliases', 'CLASH', `a: &a [x]\n${aliases()}proxies: [$nodes]\n`, /alias/i],
  ] as const)('is refused with %s', async (_case, format, text, message) => {
    const { extensions, message: said } = await admin.refused(SetLinkTemplateDocument, { format, text });
    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'text' });
    expect(said).toMatch(message);
  });
});

/** Ten levels, each with nine references to the one before: a billion entries. */
function aliases(): string {
  const names = 'abcdefghij'.split('');
  return names
    .slice(1)
    .map((name, at) => `${name}: &${name} [${Array(9).fill(`*${names[at]}`).join(', ')}]\n`)
    .join('');
}
