import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApi, Refusal, TokenEnded } from './api.mjs';
import { UserList } from './user-list.mjs';

// SERVER_TOKEN=srv_… npm run agent:conformance: plays what docs/agents.md promises an agent, from the agent's side, and
// prints a table. It confirms and reports, so it wants a server of its own, with a node of a plan that has users.
const { TESSERA_URL: url = 'http://127.0.0.1:4000', SERVER_TOKEN: token = '' } = process.env;

const DELTA =
  'revision full hasMore removals upserts { subscriptionId credential nodeIds speedLimit deviceLimit }';
const USERS = `query ($since: BigInt, $first: Int) { serverUsers(since: $since, first: $first) { ${DELTA} } }`;
const CHANGED = `subscription ($since: BigInt) { serverUsersChanged(since: $since) { ${DELTA} } }`;
const CONFIRM = 'mutation ($revision: BigInt!) { confirmServerUsers(revision: $revision) }';
const ONLINE = 'mutation ($input: ReportOnlineInput!) { reportOnline(input: $input) }';
const STATUS = 'mutation ($input: ServerStatusInput!) { reportServerStatus(input: $input) }';
const TRAFFIC = 'mutation ($input: ReportTrafficInput!) { reportTraffic(input: $input) { applied refused } }';
const LARGEST = '9223372036854775807';

const api = createApi({ url, token });

/** Asks until there is nothing more; gives the deltas, too. */
async function sync(list, first) {
  const deltas = [];
  do {
    const { serverUsers } = await api.ask(USERS, { since: list.revision, first });
    deltas.push(serverUsers);
    if (deltas.length > 100_000) throw new Error('it does not end');
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
  if (a !== b) throw new Error(`${what}: ${a?.slice(0, 100)}, not ${b?.slice(0, 100)}`);
}

const byId = (list) =>
  [...list.users.values()].sort((a, b) => (a.subscriptionId < b.subscriptionId ? -1 : 1));

async function refused(code, work) {
  const outcome = await work().then(
    () => 'no refusal',
    (error) => error,
  );
  if (outcome?.code !== code) throw new Error(`${outcome?.message ?? outcome}, not ${code}`);
}

async function firstMessages(since, count) {
  const deltas = [];
  const patience = AbortSignal.timeout(10_000);
  for await (const { serverUsersChanged } of api.watch(CHANGED, { since }, patience)) {
    deltas.push(serverUsersChanged);
    if (deltas.length >= count && !serverUsersChanged.hasMore) return deltas;
  }
  throw new Error('no message came in ten seconds');
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
  'the token is taken': async () => {
    const { serverConfig } = await api.ask('{ serverConfig { serverId name nodes } }');
    if (!serverConfig.serverId) throw new Error('there is no configuration');
  },
  'a token that is none is refused': () =>
    refused('UNAUTHENTICATED', () =>
      createApi({ url, token: `srv_${'A'.repeat(43)}` }).ask('{ serverConfig { serverId } }'),
    ),
  'a new list begins with `full`, once': async () => {
    const deltas = await sync(new UserList(), 100);
    same(
      deltas.map(({ full }) => full),
      deltas.map((_delta, place) => place === 0),
      'full',
    );
  },
  'a list is the same in pages of 7 and of 10,000': async () => {
    const small = await wholeList(7);
    const large = await wholeList(10_000);
    await sync(small);
    same(byId(small), byId(large), 'users');
  },
  'nothing new is an empty delta with the same revision': async () => {
    const list = await wholeList();
    const before = list.revision;
    const [delta] = await sync(list);
    if (delta.upserts.length + delta.removals.length === 0) same(delta.revision, before, 'revision');
    same(delta.full, false, 'full');
  },
  'revisions rise from page to page': async () => {
    const revisions = (await sync(new UserList(), 10)).map(({ revision }) => BigInt(revision));
    if (revisions.some((revision, place) => place > 0 && revision <= revisions[place - 1]))
      throw new Error('they do not');
  },
  'a revision from the future gets the whole list': async () => {
    const { serverUsers } = await api.ask(USERS, { since: LARGEST });
    same(serverUsers.full, true, 'full');
  },
  'a negative revision is refused': () => refused('BAD_USER_INPUT', () => api.ask(USERS, { since: '-1' })),
  'pages of 0 and of 10,001 are refused': async () => {
    await refused('BAD_USER_INPUT', () => api.ask(USERS, { first: 0 }));
    await refused('BAD_USER_INPUT', () => api.ask(USERS, { first: 10_001 }));
  },
  'the same list comes over the websocket': async () => {
    const list = new UserList();
    for (const delta of await firstMessages(null, 1)) list.apply(delta);
    await sync(list);
    same(byId(list), byId(await wholeList()), 'users');
  },
  'a websocket goes on from a revision': async () => {
    const { revision } = await wholeList();
    const [first] = await firstMessages(revision, 1);
    same(first.full, false, 'full');
  },
  'a websocket without a good token is closed with 4401': async () => {
    const stranger = createApi({ url, token: `srv_${'A'.repeat(43)}` });
    const outcome = await stranger
      .watch(CHANGED, {}, AbortSignal.timeout(5_000))
      .next()
      .catch((error) => error);
    if (!(outcome instanceof TokenEnded)) throw new Error(`${outcome?.message ?? 'it is open'}`);
  },
  'what is applied is confirmed, and confirming never goes backwards': async () => {
    const { revision } = await wholeList();
    same(await api.ask(CONFIRM, { revision }), { confirmServerUsers: true }, 'the first time');
    same(await api.ask(CONFIRM, { revision }), { confirmServerUsers: true }, 'again');
    same(await api.ask(CONFIRM, { revision: '2' }), { confirmServerUsers: false }, 'an older one');
    await refused('BAD_USER_INPUT', () => api.ask(CONFIRM, { revision: LARGEST }));
  },
  'the status is taken, and refused outside of 0 to 1': async () => {
    const input = { cpu: 0.1, memory: 0.2, disk: 0.3, version: 'conformance' };
    same(await api.ask(STATUS, { input }), { reportServerStatus: true }, 'it');
    await refused('BAD_USER_INPUT', () => api.ask(STATUS, { input: { ...input, cpu: 42 } }));
  },
  'who is online is taken; what is foreign is left out': async () => {
    same(await api.ask(ONLINE, { input: { entries: [] } }), { reportOnline: true }, 'nobody');
    const entries = [{ subscriptionId: randomUUID(), ips: ['192.0.2.1'] }];
    same(await api.ask(ONLINE, { input: { entries } }), { reportOnline: false }, 'a stranger');
  },
  'a report of traffic counts once': async () => {
    const bootId = randomUUID();
    same((await traffic([], 1, bootId)).applied, true, 'the first time');
    same((await traffic([], 1, bootId)).applied, false, 'again');
    same((await traffic([], 2, bootId)).applied, true, 'the next');
  },
  'foreign traffic is refused by its name': async () => {
    const entry = unknownEntry();
    same((await traffic([entry])).refused, [entry.subscriptionId], 'refused');
  },
  '5,000 entries are taken, 5,001 refused': async () => {
    await traffic(Array.from({ length: 5_000 }, unknownEntry));
    await refused('BAD_USER_INPUT', () => traffic(Array.from({ length: 5_001 }, unknownEntry)));
  },
};

let failed = 0;
for (const [what, check] of Object.entries(CHECKS)) {
  const startedAt = performance.now();
  const fault = await check().then(
    () => null,
    // A server that is busy for a moment is asked once more.
    async (error) => {
      if (!(error instanceof Refusal) || !error.isRetryable) return error;
      await sleep(1_000);
      return check().then(
        () => null,
        (again) => again,
      );
    },
  );
  if (fault) failed += 1;
  const time = `${Math.round(performance.now() - startedAt)} ms`;
  console.log(`${fault ? 'FAILED' : 'ok    '}  ${what.padEnd(68)} ${time.padStart(8)}`);
  if (fault) console.log(`        ${fault.message}`);
}
console.log(
  failed === 0
    ? `\nAll ${Object.keys(CHECKS).length} hold.`
    : `\n${failed} of ${Object.keys(CHECKS).length} failed.`,
);
process.exitCode = failed === 0 ? 0 : 1;
