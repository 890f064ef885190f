import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SiteSettings } from '../../src/generated/prisma/client.ts';
import { required } from '../../src/platform/required.ts';
import {
  DeclaredDevicesDocument,
  SetDeviceEnabledDocument,
  UnbindDeviceDocument,
  UpdateSiteDocument,
} from '../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { buildNode, buildPlan, buildPlanNode, buildSubscription } from '../support/factories.ts';

let api: TestApi;
let admin: TestUser;
let user: TestUser;
let link: string;

beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api.close());
beforeEach(async () => {
  const { db } = api.services;
  await set({ hardwareIds: 'REQUIRED', deviceLimit: 2 });
  user = await api.newUser();
  const { id: planId } = await buildPlan(db, { deviceLimit: 2 });
  const { id: nodeId } = await buildNode(db, { name: 'Berlin' });
  await buildPlanNode(db, { planId, nodeId });
  const { token } = await buildSubscription(db, { userId: user.userId, planId });
  link = `${api.url}/s/${token}`;
});

const set = (input: Partial<Pick<SiteSettings, 'hardwareIds' | 'deviceLimit'>>) =>
  admin.get(UpdateSiteDocument, { input });

/** @returns the name of the only entry, and the headers about hardware ids that are set */
async function read(headers: Record<string, string> = {}): Promise<[string, string]> {
  const response = await fetch(link, { headers });
  expect(response.status).toBe(200);
  const [line = ''] = Buffer.from(await response.text(), 'base64')
    .toString()
    .trim()
    .split('\n');
  const set = [...response.headers.keys()].filter((name) => name.startsWith('x-hwid')).sort();
  return [decodeURIComponent(new URL(line).hash.slice(1)), set.join(' ')];
}

const devices = async () =>
  required((await user.get(DeclaredDevicesDocument)).viewer, 'viewer').devices.nodes;

const ADMITTED = ['Berlin', 'x-hwid-active'];
const REFUSED = [
  'Too many devices. Remove one in your account to use this one',
  'x-hwid-active x-hwid-limit x-hwid-max-devices-reached',
];

describe('a hardware id on a link', () => {
  it('is a device of the account: in its list, under its limit, until it is unbound', async () => {
    const headers = { 'x-hwid': randomUUID(), 'x-device-os': 'Android', 'x-ver-os': '15' };
    expect(await read({ ...headers, 'x-device-model': 'Pixel 9' })).toEqual(ADMITTED);
    expect(await read(headers)).toEqual(ADMITTED);
    const listed = await devices();
    expect(listed).toHaveLength(2);
    expect(listed).toContainEqual(expect.objectContaining({ name: 'Pixel 9', platform: 'Android 15' }));

    const other = { 'x-hwid': randomUUID() };
    expect(await read(other)).toEqual(REFUSED);
    expect(await devices()).toHaveLength(2);

    const { id } = required(
      listed.find(({ name }) => name === 'Pixel 9'),
      'device',
    );
    await user.get(UnbindDeviceDocument, { id });
    expect(await read(other)).toEqual(ADMITTED);
  });

  it('is required, optional or ignored, by a setting', async () => {
    expect(await read()).toEqual([
      'This app does not say which device it is. Use another app',
      'x-hwid-active x-hwid-not-supported',
    ]);
    await set({ hardwareIds: 'OPTIONAL' });
    expect(await read()).toEqual(ADMITTED);
    await set({ hardwareIds: 'OFF' });
    expect(await read({ 'x-hwid': randomUUID() })).toEqual(['Berlin', '']);
    expect(await devices()).toHaveLength(1);
  });

  it.each([
    ['too long', 'x'.repeat(8_192)],
    ['too short', 'abc'],
    ['not ASCII', 'gerät-ä'],
    ['with spaces', 'a b c d'],
  ])('counts as missing when it is %s', async (_case, hwid) => {
    const [name] = await read({ 'x-hwid': hwid });
    expect(name).toContain('does not say which device');
    expect(await devices()).toHaveLength(1);
  });

  it('adds no rows beyond the limit, whatever is sent, also concurrently', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => read({ 'x-hwid': randomUUID() })));
    expect(answers.filter(([name]) => name === 'Berlin')).toHaveLength(1);
    expect(await devices()).toHaveLength(2);
    const same = { 'x-hwid': randomUUID() };
    const { id } = required(
      (await devices()).find(({ current }) => !current),
      'device',
    );
    await user.get(UnbindDeviceDocument, { id });
    expect(await Promise.all(Array.from({ length: 20 }, () => read(same)))).toEqual(Array(20).fill(ADMITTED));
    expect(await devices()).toHaveLength(2);
  });

  it('gets no nodes while its device is disabled', async () => {
    const headers = { 'x-hwid': randomUUID(), 'x-device-model': 'TV' };
    await read(headers);
    const { id } = required(
      (await devices()).find(({ name }) => name === 'TV'),
      'device',
    );
    await admin.get(SetDeviceEnabledDocument, { id, enabled: false });
    expect(await read(headers)).toEqual(['This device is disabled', 'x-hwid-active']);
  });

  it('is no way to log in: the last device of the app stays the last', async () => {
    await read({ 'x-hwid': randomUUID(), 'x-device-model': 'TV' });
    const { id } = required(
      (await devices()).find(({ current }) => current),
      'device',
    );
    expect((await user.refused(UnbindDeviceDocument, { id })).extensions.code).toBe('LAST_IDENTITY');
    const rows = await api.services.db.identity.findMany({ where: { userId: user.userId } });
    expect(rows.map(({ type }) => type).sort()).toEqual(['DEVICE', 'HARDWARE']);
  });
});
