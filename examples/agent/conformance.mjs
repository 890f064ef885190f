import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApi, Refusal, TokenRevoked } from './api.mjs';
import { UserList } from './user-list.mjs';

// SERVER_TOKEN=srv_… npm run agent:conformance: checks from an agent's side what docs/agents.md
// specifies, and prints a table. It confirms and reports, so use a dedicated server, with a node of
// a plan that has users.
const { TESSERA_URL: url = 'http://127.0.0.1:4000', SERVER_TOKEN: token = '' } = process.env;

const DELTA =
  'revision full hasMore removals upserts { subscriptionId credential nodeIds speedLimit deviceLimit }';
const USERS = `query ($since: BigInt, $first: Int) { serverUsers(since: $since, first: $first) { ${DELTA} } }`;
const CHANGED = `subscription ($since: BigInt) { serverUsersChanged(since: $since) { ${DELTA} } }`;
const CONFIRM = 'mutation ($revision: BigInt!) { confirmServerUsers(revision: $revision) }';
const ONLINE = 'mutation ($input: ReportOnlineInput!) { reportOnline(input: $input) }';
const ONLINE_USERS =
  'mutation ($input: ReportOnlineInput!) { reportOnlineUsers(input: $input) { exceeded { ips } } }';
const EXCEEDED = 'subscription { devicesExceeded { subscriptionId ips } }';
const STATUS = 'mutation ($input: ServerStatusInput!) { reportServerStatus(input: $input) }';
const TRAFFIC = 'mutation ($input: ReportTrafficInput!) { reportTraffic(input: $input) { applied refused } }';
const MAX_INT64 = '9223372036854775807';

const api = createApi({ url, token });

/** Reads pages until there are no more, and returns their deltas. */
async function sync(list, first) {
  const deltas = [];
  do {
    const { serverUsers } = await api.ask(USERS, { since: list.revision, first });
    deltas.push(serverUsers);
    if (deltas.length > 100_000) throw new Error('hasMore is still true after 100,000 pages');
  } while (!list.apply(deltas.at(-1)));
  return deltas;
}

async function wholeList(first) {
  const list = new UserList();
  await sync(list, first);
  return list;
}

function same(one, other, what) {
  const [a, b] = [one, other].map((value) => JSON.stringify(value));
  if (a !== b) throw new Error(`${what}: got ${a?.slice(0, 100)}, expected ${b?.slice(0, 100)}`);
}

const byId = (list) =>
  [...list.users.values()].sort((a, b) => (a.subscriptionId < b.subscriptionId ? -1 : 1));

async function refused(code, work) {
  const outcome = await work().then(
    () => 'no error',
    (error) => error,
  );
  if (outcome?.code !== code) throw new Error(`got ${outcome?.message ?? outcome}, expected ${code}`);
}

async function firstMessages(since, count) {
  const deltas = [];
  const timeout = AbortSignal.timeout(10_000);
  for await (const { serverUsersChanged } of api.watch(CHANGED, { since }, timeout)) {
    deltas.push(serverUsersChanged);
    if (deltas.length >= count && !serverUsersChanged.hasMore) return deltas;
  }
  throw new Error('no message arrived within 10 seconds');
}

const traffic = (entries, sequence = 1, bootId = randomUUID()) =>
  api
    .ask(TRAFFIC, { input: { bootId, sequence: `${sequence}`, entries } })
    .then((data) => data.reportTraffic);
const unknownEntry = () => ({
  nodeId: randomUUID(),
  subscriptionId: randomUUID(),
  upload: '1',
  download: '1',
});

const CHECKS = {
  'a valid token is accepted': async () => {
    const { serverConfig } = await api.ask('{ serverConfig { serverId name nodes } }');
    if (!serverConfig.serverId) throw new Error('serverConfig has no serverId');
  },
  'an unknown token is rejected with UNAUTHENTICATED': () =>
    refused('UNAUTHENTICATED', () =>
      createApi({ url, token: `srv_${'A'.repeat(43)}` }).ask('{ serverConfig { serverId } }'),
    ),
  'only the first page of a new list has `full`': async () => {
    const deltas = await sync(new UserList(), 100);
    same(
      deltas.map(({ full }) => full),
      deltas.map((_delta, index) => index === 0),
      'full',
    );
  },
  'a list is the same in pages of 7 and of 10,000': async () => {
    const small = await wholeList(7);
    const large = await wholeList(10_000);
    await sync(small);
    same(byId(small), byId(large), 'users');
  },
  'without changes, the delta is empty and the revision stays the same': async () => {
    const list = await wholeList();
    const before = list.revision;
    const [delta] = await sync(list);
    if (delta.upserts.length + delta.removals.length === 0) same(delta.revision, before, 'revision');
    same(delta.full, false, 'full');
  },
  'revisions increase from page to page': async () => {
    const revisions = (await sync(new UserList(), 10)).map(({ revision }) => BigInt(revision));
    if (revisions.some((revision, index) => index > 0 && revision <= revisions[index - 1]))
      throw new Error('a revision did not increase');
  },
  'a revision from the future starts a new list': async () => {
    const { serverUsers } = await api.ask(USERS, { since: MAX_INT64 });
    same(serverUsers.full, true, 'full');
  },
  'a negative revision is rejected': () => refused('BAD_USER_INPUT', () => api.ask(USERS, { since: '-1' })),
  'page sizes of 0 and 10,001 are rejected': async () => {
    await refused('BAD_USER_INPUT', () => api.ask(USERS, { first: 0 }));
    await refused('BAD_USER_INPUT', () => api.ask(USERS, { first: 10_001 }));
  },
  'a websocket streams the same list': async () => {
    const list = new UserList();
    for (const delta of await firstMessages(null, 1)) list.apply(delta);
    await sync(list);
    same(byId(list), byId(await wholeList()), 'users');
  },
  'a websocket resumes from a revision': async () => {
    const { revision } = await wholeList();
    const [first] = await firstMessages(revision, 1);
    same(first.full, false, 'full');
  },
  'a websocket with an unknown token is closed with 4401': async () => {
    const unauthenticated = createApi({ url, token: `srv_${'A'.repeat(43)}` });
    const outcome = await unauthenticated
      .watch(CHANGED, {}, AbortSignal.timeout(5_000))
      .next()
      .catch((error) => error);
    if (!(outcome instanceof TokenRevoked))
      throw new Error(`${outcome?.message ?? 'the socket stayed open'}`);
  },
  'a revision is confirmed, and confirming never goes backwards': async () => {
    const { revision } = await wholeList();
    same(await api.ask(CONFIRM, { revision }), { confirmServerUsers: true }, 'first confirmation');
    same(await api.ask(CONFIRM, { revision }), { confirmServerUsers: true }, 'second confirmation');
    same(await api.ask(CONFIRM, { revision: '2' }), { confirmServerUsers: false }, 'older revision');
    await refused('BAD_USER_INPUT', () => api.ask(CONFIRM, { revision: MAX_INT64 }));
  },
  'a status is accepted, and rejected outside of 0 to 1': async () => {
    const input = { cpu: 0.1, memory: 0.2, disk: 0.3, version: 'conformance' };
    same(await api.ask(STATUS, { input }), { reportServerStatus: true }, 'status');
    await refused('BAD_USER_INPUT', () => api.ask(STATUS, { input: { ...input, cpu: 42 } }));
  },
  'online subscriptions are accepted, and foreign ones ignored': async () => {
    same(await api.ask(ONLINE, { input: { entries: [] } }), { reportOnline: true }, 'empty report');
    const entries = [{ subscriptionId: randomUUID(), ips: ['192.0.2.1'] }];
    same(await api.ask(ONLINE, { input: { entries } }), { reportOnline: false }, 'foreign subscription');
  },
  'a status with a problem is accepted, and one without text rejected': async () => {
    const input = { cpu: 0.1, memory: 0.2, disk: 0.3, version: 'conformance' };
    same(
      await api.ask(STATUS, { input: { ...input, problem: 'a check' } }),
      { reportServerStatus: true },
      'status',
    );
    await refused('BAD_USER_INPUT', () => api.ask(STATUS, { input: { ...input, problem: ' ' } }));
    await api.ask(STATUS, { input });
  },
  'changes of online subscriptions are accepted, but not as a part of a list': async () => {
    const input = { entries: [], changesOnly: true };
    same(await api.ask(ONLINE, { input }), { reportOnline: true }, 'changes');
    await refused('BAD_USER_INPUT', () => api.ask(ONLINE, { input: { ...input, part: 1 } }));
  },
  'more devices than the limit, at all servers together, are named': async () => {
    const limited = [...(await wholeList()).users.values()].find(({ deviceLimit }) => deviceLimit !== null);
    if (!limited) return;
    const { subscriptionId, deviceLimit } = limited;
    const ips = Array.from({ length: Math.min(deviceLimit + 1, 50) }, (_, at) => `192.0.2.${at + 1}`);
    const input = { entries: [{ subscriptionId, ips }], changesOnly: true };
    const { reportOnlineUsers } = await api.ask(ONLINE_USERS, { input });
    const named = reportOnlineUsers.exceeded.flatMap((entry) => entry.ips);
    if (deviceLimit < 50) same(named.length, ips.length - deviceLimit, 'addresses to disconnect');
    await api.ask(ONLINE, { input: { entries: [] } });
  },
  'a websocket streams the devices to disconnect': async () => {
    const { value } = await api.watch(EXCEEDED, {}, AbortSignal.timeout(5_000)).next();
    same(Array.isArray(value.devicesExceeded), true, 'a list');
  },
  'a repeated traffic report is applied once': async () => {
    const bootId = randomUUID();
    same((await traffic([], 1, bootId)).applied, true, 'first report');
    same((await traffic([], 1, bootId)).applied, false, 'repeated report');
    same((await traffic([], 2, bootId)).applied, true, 'next report');
  },
  'foreign traffic is refused with its subscription id': async () => {
    const entry = unknownEntry();
    same((await traffic([entry])).refused, [entry.subscriptionId], 'refused');
  },
  '5,000 traffic entries are accepted, and 5,001 rejected': async () => {
    await traffic(Array.from({ length: 5_000 }, unknownEntry));
    await refused('BAD_USER_INPUT', () => traffic(Array.from({ length: 5_001 }, unknownEntry)));
  },
};

let failed = 0;
for (const [name, check] of Object.entries(CHECKS)) {
  const startedAt = performance.now();
  const failure = await check().then(
    () => null,
    // A retryable error is retried once.
    async (error) => {
      if (!(error instanceof Refusal) || !error.isRetryable) return error;
      await sleep(1_000);
      return check().then(
        () => null,
        (again) => again,
      );
    },
  );
  if (failure) failed += 1;
  const time = `${Math.round(performance.now() - startedAt)} ms`;
  console.log(`${failure ? 'FAILED' : 'ok    '}  ${name.padEnd(68)} ${time.padStart(8)}`);
  if (failure) console.log(`        ${failure.message}`);
}
console.log(
  failed === 0
    ? `\nAll ${Object.keys(CHECKS).length} checks passed.`
    : `\n${failed} of ${Object.keys(CHECKS).length} checks failed.`,
);
process.exitCode = failed === 0 ? 0 : 1;
