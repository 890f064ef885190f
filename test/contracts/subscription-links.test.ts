import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { LINK_FORMATS } from '../../src/modules/network/links/link-formats.ts';
import { createFindLink } from '../../src/modules/network/links/read-link.ts';
import {
  createNodeListings,
  listSubscriptionNodes,
} from '../../src/modules/network/node-list/subscription-nodes.ts';
import { rotateSubscriptionCredentials } from '../../src/modules/subscription/rotate-credentials.ts';
import { required } from '../../src/platform/required.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import {
  buildNode,
  buildPlan,
  buildPlanNode,
  buildSubscription,
  buildUser,
  inDays,
} from '../support/factories.ts';
import { statementsOf } from '../support/statements.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const get = (path: string, headers: Record<string, string> = {}) => fetch(`${api.url}${path}`, { headers });
const linesOf = (text: string) => Buffer.from(text, 'base64').toString().trim().split('\n');

/** A subscription to a plan with two nodes. */
async function newLink(overrides: Parameters<typeof buildSubscription>[1] = {}) {
  const { db } = api.services;
  const { id: planId } = await buildPlan(db, { name: 'Gold "1"' });
  for (const name of ['Berlin #1', 'Paris']) {
    const { id: nodeId } = await buildNode(db, { name });
    await buildPlanNode(db, { planId, nodeId });
  }
  return buildSubscription(db, { planId, trafficLimit: 1_000n, upload: 10n, download: 20n, ...overrides });
}

describe('a subscription link', () => {
  it('lists the nodes as URIs, with the state of the subscription in headers', async () => {
    const expiresAt = inDays(30);
    const { token } = await newLink({ expiresAt });

    const response = await get(`/s/${token}`, { 'user-agent': 'v2rayNG/1.9' });

    expect(response.status).toBe(200);
    const names = linesOf(await response.text()).map((line) =>
      decodeURIComponent(new URL(line).hash.slice(1)),
    );
    expect(names).toEqual(['Berlin #1', 'Paris']);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'subscription-userinfo': `upload=10; download=20; total=1000; expire=${Math.floor(expiresAt.getTime() / 1_000)}`,
      'profile-update-interval': '6',
      'content-disposition': expect.stringMatching(/^attachment; filename\*=UTF-8''[\w%.]+\.txt$/),
    });
    const title = response.headers.get('profile-title')?.replace('base64:', '') ?? '';
    expect(Buffer.from(title, 'base64').toString()).toBe('Tessera Gold "1"');
  });

  it.each([
    ['ClashMetaForAndroid/2.10', 'text/yaml'],
    ['clash-verge/v1.7', 'text/yaml'],
    ['Stash/2.5', 'text/yaml'],
    ['sing-box 1.9.3', 'application/json'],
    ['SFA/1.8.0', 'application/json'],
    ['Surge iOS/2920', 'text/plain'],
    ['some unknown program', 'text/plain'],
    ['', 'text/plain'],
  ])('has the format of the client "%s"', async (agent, type) => {
    const { token } = await newLink();
    expect((await get(`/s/${token}`, { 'user-agent': agent })).headers.get('content-type')).toContain(type);
  });

  it('has the format that is asked for, on the path of other panels as well', async () => {
    const { token } = await newLink();
    const text = await (await get(`/api/v1/client/subscribe?token=${token}&format=mihomo`)).text();
    expect(parse(text).proxies).toHaveLength(2);

    const unknown = await get(`/s/${token}?format=excel`);
    expect([unknown.status, await unknown.text()]).toEqual([
      400,
      expect.stringContaining('uri, clash, sing-box'),
    ]);
  });

  it('answers 304 until the nodes, the credential or the state change', async () => {
    const { token, id } = await newLink();
    const first = await get(`/s/${token}`);
    const etag = first.headers.get('etag') ?? '';
    const again = await get(`/s/${token}`, { 'if-none-match': etag });
    const weak = await get(`/s/${token}`, { 'if-none-match': `"other", W/${etag.replace(/^W\//, '')}` });
    expect(weak.status).toBe(304);
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect(again.headers.get('subscription-userinfo')).toContain('upload=10');

    await api.services.db.userSubscription.update({ where: { id }, data: { status: 'STOPPED' } });
    expect((await get(`/s/${token}`, { 'if-none-match': etag })).status).toBe(200);
  });

  it.each([
    ['EXPIRED', { startsAt: inDays(-60), expiresAt: inDays(-1) }, /^Expired on \d{4}-\d\d-\d\d\. Redeem/],
    ['EXHAUSTED', { status: 'EXHAUSTED' as const }, /^The traffic is used up/],
    ['STOPPED', { status: 'STOPPED' as const }, /was stopped/],
  ])('says in a header and a named entry that it is %s', async (status, overrides, message) => {
    const { token } = await newLink(overrides);
    const response = await get(`/s/${token}`);
    const [line = ''] = linesOf(await response.text());
    expect(decodeURIComponent(new URL(line).hash.slice(1))).toMatch(message);
    expect(response.headers.get('x-status')).toBe(status);
    const announced = response.headers.get('announce')?.replace('base64:', '') ?? '';
    expect(Buffer.from(announced, 'base64').toString()).toMatch(message);
  });

  it('costs one statement once its document is known', async () => {
    const { token } = await newLink();
    await get(`/s/${token}?format=clash`);
    const { queries } = await statementsOf(() => get(`/s/${token}?format=clash`));
    expect(queries).toHaveLength(1);
  });

  it.each(['uri', 'clash', 'sing-box', 'v2ray', 'xray', 'surge', 'sip008'])(
    'has the credential of its own subscription in the format %s, although documents are shared',
    async (format) => {
      const { db } = api.services;
      const { id: planId } = await buildPlan(db);
      const clientConfigs = {
        'aes-256-gcm': null,
        '2022-blake3-aes-128-gcm': randomBytes(16).toString('base64'),
        '2022-blake3-aes-256-gcm': randomBytes(32).toString('base64'),
      };
      for (const [method, serverKey] of Object.entries(clientConfigs)) {
        const { id: nodeId } = await buildNode(db, { clientConfig: { method, serverKey } });
        await buildPlanNode(db, { planId, nodeId });
      }
      const linked = [await buildSubscription(db, { planId }), await buildSubscription(db, { planId })];
      const texts = await Promise.all(
        linked.map(async ({ token }) => (await get(`/s/${token}?format=${format}`)).text()),
      );

      const wanted = LINK_FORMATS.find(({ name }) => name === format);
      const listings = createNodeListings(api.services);
      for (const [at, { token, credential }] of linked.entries()) {
        const link = required(await createFindLink(api.services)(token), 'link');
        const nodes = await listSubscriptionNodes({ nodeListings: listings }, link.subscription);
        expect(nodes.map((node) => node.credential)).toEqual(Array(3).fill(credential));
        const { text } = required(wanted, format).render({
          ...{ nodes, upload: 0n, download: 0n, trafficLimit: null },
        });
        // Named by the subscription, so only this differs.
        expect(texts[at]?.replaceAll(token, '')).toBe(text.replaceAll(token, ''));
      }
      expect(texts[0]).not.toBe(texts[1]);
    },
  );

  it('lists nothing for a disabled account', async () => {
    const { id: userId } = await buildUser(api.services.db, { traits: ['disabled'] });
    const { token } = await newLink({ userId });
    const [line = '', ...more] = linesOf(await (await get(`/s/${token}`)).text());
    expect([line.includes('disabled'), more]).toEqual([true, []]);
  });

  it('gives unknown, malformed and rotated tokens the same response', async () => {
    const { id, token } = await newLink();
    expect((await get(`/s/${token}`)).status).toBe(200);
    const { userId } = await api.newAdmin();
    const caller = { kind: 'user', role: 'ADMIN', userId, sessionId: '', deviceId: null } as never;
    await rotateSubscriptionCredentials(api.services, { caller, id });

    const paths = [
      `/s/${token}`,
      `/s/${'x'.repeat(32)}`,
      '/s/short',
      `/s/${'%00'.repeat(10)}`,
      '/s/a%27b',
      '/api/v1/client/subscribe',
    ];
    const responses = await Promise.all(
      paths.map(async (path) => {
        const response = await get(path);
        const headers = Object.fromEntries(response.headers);
        for (const name of ['date', 'x-request-id']) delete headers[name];
        return JSON.stringify([response.status, headers, await response.text()]);
      }),
    );
    expect(new Set(responses).size).toBe(1);
    expect(responses[0]).toMatch(/^\[404,/);
  });
});

describe('guesses of tokens', () => {
  it('are limited by address, while valid links work elsewhere', async () => {
    const limited = await startTestApi({ rateLimits: true, env: { TRUST_PROXY: '1' } });
    try {
      const ask = async (ip: string) =>
        (await fetch(`${limited.url}/s/${'y'.repeat(32)}`, { headers: { 'x-forwarded-for': ip } })).status;
      const statuses: number[] = [];
      for (let attempt = 0; attempt < 32; attempt += 1) statuses.push(await ask('203.0.113.5'));
      expect(statuses.slice(0, 30)).toEqual(Array(30).fill(404));
      expect(statuses.at(-1)).toBe(429);
      expect(await ask('203.0.113.6')).toBe(404);
    } finally {
      await limited.close();
    }
  });
});
