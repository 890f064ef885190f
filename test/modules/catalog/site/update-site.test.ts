import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { updateSite } from '../../../../src/modules/catalog/site/update-site.ts';
import {
  AuditLogDocument,
  DeviceLoginDocument,
  GlobalConfigDocument,
  RegisterDocument,
  SiteSettingsDocument,
  UpdateSiteDocument,
  type UpdateSiteInput,
} from '../../../generated/graphql.ts';
import { newSecret, startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { runBlocked } from '../../../support/blocked-work.ts';
import { createClient, post } from '../../../support/client.ts';
import { databaseUrlOf } from '../../../support/database.ts';
import { buildPlan, unique } from '../../../support/factories.ts';

/** Common to the instances. */
const REDIS_PREFIX = 'update-site:';
let api: TestApi;
let admin: TestUser;

beforeAll(async () => {
  api = await startTestApi({ redisPrefix: REDIS_PREFIX });
  admin = await api.newAdmin();
});
afterAll(() => api?.close());
beforeEach(async () => {
  await api.services.db.siteSettings.deleteMany();
});

async function update(input: UpdateSiteInput) {
  return (await admin.get(UpdateSiteDocument, { input })).updateSite;
}

async function refusal(input: UpdateSiteInput): Promise<string> {
  const { extensions } = await admin.refused(UpdateSiteDocument, { input });
  return `${extensions.code} ${extensions.field}`;
}

const DEFAULTS = {
  name: 'Tessera',
  description: '',
  logo: null,
  keywords: [],
  customHtml: null,
  customData: {},
  currency: 'USD',
  registrationEnabled: true,
  deviceLoginProof: 'REQUIRED',
  deviceLimit: 5,
  hardwareIds: 'OFF',
  excessDevices: 'DISCONNECT_OLDEST',
  roamingSeconds: 30,
  transportEncryption: false,
  trialPlanId: null,
  trialUnitTime: null,
  trialQuantity: null,
  version: 1,
};

describe('updateSite', () => {
  it('changes the given fields, keeps the rest, and creates the settings if their row is missing', async () => {
    expect(await update({ name: ' Ours ', keywords: [' vpn', 'vpn', 'fast'] })).toEqual({
      ...DEFAULTS,
      name: 'Ours',
      keywords: ['vpn', 'fast'],
      version: 2,
    });
    expect(await update({ currency: 'eur' })).toMatchObject({ name: 'Ours', currency: 'EUR', version: 3 });
  });

  it('stores every field as given', async () => {
    const { id: trialPlanId } = await buildPlan(api.services.db);
    const input = {
      name: 'Ours',
      description: 'Für alle',
      logo: 'https://cdn.example.test/logo.svg?v=2',
      keywords: ['a', 'b'],
      customHtml: '<script>1 < 2</script>',
      customData: { theme: { dark: true }, links: [1, 'two', null], ' ': '\u2028' },
      currency: 'JPY',
      registrationEnabled: false,
      deviceLoginProof: 'OPTIONAL' as const,
      deviceLimit: 0,
      hardwareIds: 'REQUIRED' as const,
      excessDevices: 'DISCONNECT_NEWEST' as const,
      roamingSeconds: 600,
      transportEncryption: true,
      trialPlanId,
      trialUnitTime: 'DAY' as const,
      trialQuantity: 36_500,
    };

    expect(await update(input)).toEqual({ ...input, version: 2 });
    expect((await admin.get(SiteSettingsDocument)).siteSettings).toEqual({ ...input, version: 2 });
  });

  it('clears optional fields with null and rejects null for required ones', async () => {
    await update({ logo: '/logo.svg', customHtml: '<b>', deviceLimit: 2 });

    expect(await update({ logo: null, customHtml: null, deviceLimit: null })).toMatchObject({
      logo: null,
      customHtml: null,
      deviceLimit: null,
    });
    for (const field of ['name', 'description', 'keywords', 'customData', 'currency', 'deviceLoginProof']) {
      expect(await refusal({ [field]: null })).toBe(`BAD_USER_INPUT input.${field}`);
    }
  });

  it.for([
    ['no name', { name: '' }],
    ['a blank name', { name: ' \t ' }],
    ['a long name', { name: 'a'.repeat(101) }],
    ['a long description', { description: 'a'.repeat(1_001) }],
    ['a logo with the javascript scheme', { logo: 'javascript:alert(1)' }],
    ['a protocol-relative logo of another host', { logo: '//elsewhere.example.test/x.svg' }],
    ['a logo that is neither a URL nor an absolute path', { logo: 'logo.svg' }],
    ['too many keywords', { keywords: Array(101).fill('a') }],
    ['too much HTML', { customHtml: 'a'.repeat(16_385) }],
    ['custom data that is a list', { customData: [] }],
    ['custom data that is a string', { customData: 'text' }],
    ['custom data that is a number', { customData: 7 }],
    ['custom data that is too large', { customData: { large: 'ü'.repeat(16_384) } }],
    ['a currency of four letters', { currency: 'EURO' }],
    ['an unknown currency', { currency: 'ABC' }],
    ['no currency', { currency: '' }],
    ['a negative limit', { deviceLimit: -1 }],
    ['a trial of no time', { trialQuantity: 0 }],
    ['a trial that is too long', { trialQuantity: 36_501 }],
  ] satisfies [string, UpdateSiteInput][])('rejects %s and changes nothing', async ([, input]) => {
    const before = await update({});

    expect(await refusal(input)).toBe(`BAD_USER_INPUT input.${Object.keys(input)[0]}`);
    expect((await admin.get(SiteSettingsDocument)).siteSettings).toEqual(before);
  });

  it('names the invalid keyword', async () => {
    expect(await refusal({ keywords: ['a', ''] })).toBe('BAD_USER_INPUT input.keywords.1');
  });

  it('accepts a complete trial or none', async () => {
    const { id: trialPlanId } = await buildPlan(api.services.db);

    expect(await refusal({ trialPlanId })).toBe('BAD_USER_INPUT input.trialUnitTime');
    expect(await refusal({ trialUnitTime: 'DAY', trialQuantity: 3 })).toBe(
      'BAD_USER_INPUT input.trialPlanId',
    );
    await update({ trialPlanId: trialPlanId.toUpperCase(), trialUnitTime: 'DAY', trialQuantity: 3 });
    expect(await update({ trialQuantity: 7 })).toMatchObject({ trialPlanId, trialQuantity: 7 });
    expect(await refusal({ trialPlanId: null })).toBe('BAD_USER_INPUT input.trialPlanId');
    expect(await update({ trialPlanId: null, trialUnitTime: null, trialQuantity: null })).toMatchObject({
      trialPlanId: null,
    });
  });

  it('rejects a trial of a deleted, unknown or withdrawn plan', async () => {
    const { db } = api.services;
    const trial = { trialUnitTime: 'DAY' as const, trialQuantity: 3 };
    const [deleted, withdrawn, hidden] = await Promise.all([
      buildPlan(db, { traits: ['deleted'] }),
      buildPlan(db, { traits: ['withdrawn'] }),
      buildPlan(db, { traits: ['hidden'] }),
    ]);

    for (const trialPlanId of [randomUUID(), 'no id', deleted.id]) {
      expect(await refusal({ ...trial, trialPlanId })).toBe('NOT_FOUND input.trialPlanId');
    }
    expect(await refusal({ ...trial, trialPlanId: withdrawn.id })).toBe('BAD_USER_INPUT input.trialPlanId');
    expect(await update({ ...trial, trialPlanId: hidden.id })).toMatchObject({ trialPlanId: hidden.id });
  });

  it('records an audit entry with the changed fields before and after', async () => {
    await update({ name: 'Before', customData: { a: 1 } });
    await update({ name: 'After', customData: { b: [2] } });

    const { auditLog } = await admin.get(AuditLogDocument, { filter: { action: 'updateSite' }, first: 1 });

    expect(auditLog?.nodes).toEqual([
      {
        action: 'updateSite',
        actorId: admin.userId,
        targetId: null,
        before: { name: 'Before', customData: { a: 1 } },
        after: { name: 'After', customData: { b: [2] } },
        requestId: expect.any(String),
        ip: '127.0.0.1',
      },
    ]);
  });

  it('returns EDIT_CONFLICT for an outdated version; without a version the last write wins', async () => {
    const { version } = await update({ name: 'One' });

    await update({ version, name: 'Two' });

    expect(await refusal({ version, name: 'Three' })).toMatch(/^EDIT_CONFLICT/);
    expect(await update({ name: 'Four' })).toMatchObject({ name: 'Four' });
  });

  it('detects a version that a concurrent transaction has not committed yet', async () => {
    const { version } = await update({ name: 'One' });
    const met = await runBlocked(
      api.services.db,
      (tx) => tx.siteSettings.update({ where: { id: 1 }, data: { name: 'Two', version: { increment: 1 } } }),
      () => updateSite(api.services, { actorId: admin.userId, input: { version, name: 'Three' } }),
    );

    expect(met).toMatchObject({ status: 'rejected', reason: { code: 'EDIT_CONFLICT' } });
    expect((await admin.get(SiteSettingsDocument)).siteSettings).toMatchObject({ name: 'Two' });
  });

  it('validates the trial against the settings that a concurrent transaction leaves', async () => {
    const { id: trialPlanId } = await buildPlan(api.services.db);
    await update({ trialPlanId, trialUnitTime: 'DAY', trialQuantity: 3 });
    const met = await runBlocked(
      api.services.db,
      (tx) =>
        tx.siteSettings.update({
          where: { id: 1 },
          data: { trialPlanId: null, trialUnitTime: null, trialQuantity: null },
        }),
      () => updateSite(api.services, { actorId: admin.userId, input: { trialQuantity: 5 } }),
    );

    expect(met).toMatchObject({ reason: { code: 'BAD_USER_INPUT' } });
  });

  it('keeps concurrent edits of different fields', async () => {
    await update({});

    await Promise.all([
      update({ name: 'Ours' }),
      update({ description: 'Both' }),
      update({ currency: 'CHF' }),
    ]);

    const { siteSettings } = await admin.get(SiteSettingsDocument);
    expect(siteSettings).toMatchObject({ name: 'Ours', description: 'Both', currency: 'CHF', version: 5 });
  });
});

describe('customData', () => {
  const CUSTOM: [string, Record<string, unknown>][] = [
    ['nothing', {}],
    ['every kind of value', { a: null, b: false, c: 0.1, d: -1e-7, e: '', f: [], g: {}, h: [[{}], null] }],
    ['the largest integers', { most: Number.MAX_SAFE_INTEGER, least: Number.MIN_SAFE_INTEGER }],
    [
      'unusual keys and strings',
      { '': '\u0001\u{1F600}"\\', $ref: '$1', constructor: 'x', toString: 1, 'a.b': [1] },
    ],
    ['almost the largest', { large: 'ü'.repeat(16_000) }],
  ];

  it.for(CUSTOM)('survives a round trip unchanged: %s', async ([, customData]) => {
    expect((await update({ customData })).customData).toStrictEqual(customData);
    expect((await api.anonymous.get(GlobalConfigDocument)).globalConfig?.customData).toStrictEqual(
      customData,
    );
  });

  it.for([
    ['beyond the range of a double', '{"a": 1e400}'],
    ['beyond the precision of a double', '{"a": [{"b": 9007199254740993}]}'],
  ])('is rejected if a number would be stored as another one: %s', async ([, json]) => {
    const query = 'mutation ($input: UpdateSiteInput!) { updateSite(input: $input) { customData } }';
    const response = await fetch(`${api.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${admin.token}` },
      body: `{"query": ${JSON.stringify(query)}, "variables": {"input": {"customData": ${json}}}}`,
    });

    expect(await response.json()).toMatchObject({
      errors: [{ extensions: { code: 'BAD_USER_INPUT', field: 'input.customData' } }],
    });
    expect((await admin.get(SiteSettingsDocument)).siteSettings?.customData).toEqual({});
  });

  it('is rejected if it contains the key __proto__', async () => {
    const query =
      'mutation { updateSite(input: { customData: { a: { __proto__: { b: 1 } } } }) { customData } }';

    expect((await post(api.url, { query }, admin.token)).errors).toMatchObject([
      { extensions: { code: 'BAD_USER_INPUT', field: 'input.customData' } },
    ]);
  });
});

describe('globalConfig', () => {
  it('returns only the public settings to anonymous callers', async () => {
    await update({ name: 'Ours', deviceLimit: 3 });

    expect((await api.anonymous.get(GlobalConfigDocument)).globalConfig).toEqual({
      name: 'Ours',
      description: '',
      logo: null,
      keywords: [],
      customHtml: null,
      customData: {},
      currency: 'USD',
      registrationEnabled: true,
      deviceLoginProof: 'REQUIRED',
      transportEncryption: false,
    });
  });
});

describe('updateSite with a trial plan', () => {
  it('returns NOT_FOUND if the plan is deleted concurrently', async () => {
    const { db } = api.services;
    const { id: trialPlanId } = await buildPlan(db);
    const input = { trialPlanId, trialUnitTime: 'DAY', trialQuantity: 3 } as const;

    const met = await runBlocked(
      db,
      (tx) => tx.plan.update({ where: { id: trialPlanId }, data: { deletedAt: new Date() } }),
      () => updateSite(api.services, { actorId: admin.userId, input }),
    );

    expect(met).toMatchObject({ status: 'rejected', reason: { code: 'NOT_FOUND' } });
  });
});

describe('the settings of the site', () => {
  it('apply on another instance within a second', async () => {
    const other = await startTestApi({
      databaseUrl: await databaseUrlOf(api.services),
      redisPrefix: REDIS_PREFIX,
    });
    try {
      const elsewhere = createClient(other.url);
      for (let round = 1; round <= 5; round++) {
        await update({ name: `Round ${round}`, registrationEnabled: round % 2 === 0 });

        await vi.waitFor(async () => {
          const { globalConfig } = await elsewhere.get(GlobalConfigDocument);
          const expected = { name: `Round ${round}`, registrationEnabled: round % 2 === 0 };
          expect(globalConfig).toMatchObject(expected);
        });
        const { errors } = await elsewhere.ask(DeviceLoginDocument, {
          input: { identifier: unique('device'), secret: newSecret() },
        });
        expect(errors?.[0]?.extensions.code).toBe(round % 2 === 0 ? undefined : 'REGISTRATION_CLOSED');
      }
    } finally {
      await other.close();
    }
  });

  it('disable and enable registration by e-mail and by device', async () => {
    const byMail = () =>
      api.anonymous.ask(RegisterDocument, {
        input: { email: `${unique('new')}@example.test`, password: 'correct horse battery' },
      });
    const byDevice = () =>
      api.anonymous.ask(DeviceLoginDocument, {
        input: { identifier: unique('device'), secret: newSecret() },
      });
    const codes = async () =>
      (await Promise.all([byMail(), byDevice()])).map(({ errors }) => errors?.[0]?.extensions.code);

    await update({ registrationEnabled: false });
    expect(await codes()).toEqual(['REGISTRATION_CLOSED', 'REGISTRATION_CLOSED']);
    await update({ registrationEnabled: true });
    expect(await codes()).toEqual([undefined, undefined]);
  });

  it('determine whether a device must present a secret or a proof', async () => {
    const logIn = async () => {
      const { errors } = await api.anonymous.ask(DeviceLoginDocument, {
        input: { identifier: unique('bare') },
      });
      return errors?.[0]?.extensions.code;
    };

    expect(await logIn()).toBe('DEVICE_PROOF_REQUIRED');
    await update({ deviceLoginProof: 'OPTIONAL' });
    expect(await logIn()).toBeUndefined();
    await update({ deviceLoginProof: 'REQUIRED' });
    expect(await logIn()).toBe('DEVICE_PROOF_REQUIRED');
  });

  it('grant new accounts the trial that is set when they register', async () => {
    const { id: trialPlanId } = await buildPlan(api.services.db);
    await update({ trialPlanId, trialUnitTime: 'DAY', trialQuantity: 3 });
    const { userId } = await api.newUser();
    await update({ trialPlanId: null, trialUnitTime: null, trialQuantity: null });
    const { userId: later } = await api.newUser();

    const trials = await api.services.db.userSubscription.findMany({
      where: { userId: { in: [userId, later] } },
      select: { userId: true, planId: true, isTrial: true },
    });
    expect(trials).toEqual([{ userId, planId: trialPlanId, isTrial: true }]);
  });
});
