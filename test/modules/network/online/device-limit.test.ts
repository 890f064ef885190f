import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { deviceOf } from '../../../../src/modules/network/online/online-address.ts';
import { required } from '../../../../src/platform/required.ts';
import {
  DevicesExceededDocument,
  ReportOnlineUsersDocument,
  UpdateSiteDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildNode, buildPlanNode, buildSubscription } from '../../../support/factories.ts';
import { type Agent, buildFleet } from '../../../support/fleet.ts';

let api: TestApi;
let admin: TestUser;
let agents: Agent[];
let id: string;

beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api?.close());
beforeEach(async () => {
  await admin.get(UpdateSiteDocument, { input: { excessDevices: 'DISCONNECT_OLDEST', roamingSeconds: 30 } });
  await fleet(5);
});

/** Three servers of one plan, and a subscription of it. */
async function fleet(deviceLimit: number | null) {
  const { db } = api.services;
  const { agent, plan } = await buildFleet(api, { deviceLimit });
  agents = [agent, await api.newAgent(), await api.newAgent()];
  for (const { serverId } of agents.slice(1)) {
    const { id: nodeId } = await buildNode(db, { serverId });
    await buildPlanNode(db, { planId: plan.id, nodeId });
  }
  ({ id } = await buildSubscription(db, { planId: plan.id }));
}

const ipv4 = (last: number) => `203.0.113.${last}`;

/** @returns the addresses that the server has to disconnect */
async function report(server: number, ips: string[], options: { changesOnly?: boolean } = {}) {
  const agent = required(agents[server], 'agent');
  const input = { entries: [{ subscriptionId: id, ips }], ...options };
  const { reportOnlineUsers } = await agent.get(ReportOnlineUsersDocument, { input });
  return (reportOnlineUsers?.exceeded ?? []).flatMap((entry) => entry.ips).sort();
}

/** What each of the servers is told to disconnect. */
function watch() {
  return agents.map((agent) => {
    const told: string[][] = [];
    const messages = agent.subscribe(DevicesExceededDocument, {}) as AsyncIterable<{
      data?: { devicesExceeded: { subscriptionId: string; ips: string[] }[] };
    }>;
    void (async () => {
      for await (const { data } of messages)
        told.push((data?.devicesExceeded ?? []).flatMap((entry) => entry.ips));
    })().catch(() => {});
    return { last: () => told.at(-1) };
  });
}

describe('the device limit', () => {
  it('leaves five of 17 devices at three servers within two seconds', async () => {
    const told = watch();
    await vi.waitFor(() => expect(told.map(({ last }) => last())).toEqual([[], [], []]));
    const started = performance.now();
    const connected: string[][] = [[], [], []];
    for (let device = 0; device < 17; device += 1) {
      connected[device % 3]?.push(ipv4(device));
      await report(device % 3, connected[device % 3] ?? []);
    }
    const remaining = () =>
      connected.flatMap((ips, server) => ips.filter((ip) => !told[server]?.last()?.includes(ip))).sort();

    await vi.waitFor(() => expect(remaining()).toEqual([12, 13, 14, 15, 16].map(ipv4)), { timeout: 2_000 });
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it('refuses new devices after the roaming time if the oldest stay', async () => {
    await admin.get(UpdateSiteDocument, { input: { excessDevices: 'DISCONNECT_NEWEST', roamingSeconds: 1 } });
    await report(0, [1, 2, 3].map(ipv4));
    await report(1, [4, 5].map(ipv4));
    expect(await report(2, [ipv4(6)])).toEqual([]);

    await vi.waitFor(async () => expect(await report(2, [ipv4(6)])).toEqual([ipv4(6)]), { timeout: 5_000 });
    expect(await report(1, [4, 5].map(ipv4))).toEqual([]);

    await report(1, [ipv4(4)]);
    expect(await report(2, [ipv4(6)])).toEqual([]);
  });

  it('counts a device once that uses several servers, or several addresses of one network', async () => {
    await fleet(1);
    expect(await report(0, [ipv4(1)])).toEqual([]);
    expect(await report(1, [ipv4(1)])).toEqual([]);
    await fleet(1);
    expect(await report(0, ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9'])).toEqual([]);
    expect(await report(1, ['2001:db8:1:3::1'])).toEqual([]);
    expect(await report(0, ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9'])).toEqual([
      '2001:db8:1:2::1',
      '2001:db8:1:2:ffff::9',
    ]);
  });

  it('keeps the place of a device that disconnects and returns, and no longer than the roaming time', async () => {
    await admin.get(UpdateSiteDocument, { input: { roamingSeconds: 1 } });
    await fleet(1);
    await report(0, [ipv4(1)]);
    await report(1, [ipv4(2)]);
    expect(await report(0, [ipv4(1)])).toEqual([ipv4(1)]);
    await report(0, []);

    // It tries again while the other one is connected: it is not a new device.
    expect(await report(0, [ipv4(1)])).toEqual([ipv4(1)]);

    await report(0, [], { changesOnly: true });
    await new Promise((done) => setTimeout(done, 1_100));
    await report(1, [ipv4(2)]);
    expect(await report(0, [ipv4(1)])).toEqual([]);
    expect(await report(1, [ipv4(2)])).toEqual([ipv4(2)]);
  });

  it('lets a device stay again when another disconnects', async () => {
    await fleet(1);
    const told = watch();
    await report(0, [ipv4(1)]);
    await report(1, [ipv4(2)]);
    await vi.waitFor(() => expect(told[0]?.last()).toEqual([ipv4(1)]));

    const { reportOnlineUsers } = await required(agents[1], 'agent').get(ReportOnlineUsersDocument, {
      input: { entries: [] },
    });

    expect(reportOnlineUsers?.connected).toBe(0);
    await vi.waitFor(() => expect(told[0]?.last()).toEqual([]));
  });

  it('does not apply without a limit, and refuses everything with a limit of none', async () => {
    await fleet(null);
    expect(
      await report(
        0,
        Array.from({ length: 50 }, (_, last) => ipv4(last)),
      ),
    ).toEqual([]);
    await fleet(0);
    expect(await report(0, [ipv4(1)])).toEqual([ipv4(1)]);
  });

  it('rejects changes as a part of a list', async () => {
    const input = { entries: [], part: 1, changesOnly: true };
    expect(await required(agents[0], 'agent').refused(ReportOnlineUsersDocument, { input })).toMatchObject({
      extensions: { code: 'BAD_USER_INPUT', field: 'input.part' },
    });
  });
});

it.each([
  ['203.0.113.7', '203.0.113.7'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::', 'fe80:0:0:0::/64'],
])('%s is of the device %s', (address, device) => {
  expect(deviceOf(address)).toBe(device);
});
