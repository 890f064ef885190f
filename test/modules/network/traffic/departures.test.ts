import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildServer, unique } from '../../../support/factories.ts';
import { entryOf, site } from '../../../support/reporting.ts';
import { createTestServices, type TestServices } from '../../../support/services.ts';

let services: TestServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services?.close());

type Site = Awaited<ReturnType<typeof site>>;

/** A site whose plan contains its node by a tag instead of by id. */
async function tagged(): Promise<Site> {
  const { db } = services;
  const made = await site(services);
  const tag = unique('tag');
  await db.node.update({ where: { id: made.nodeId }, data: { tags: [tag] } });
  await db.plan.update({ where: { id: made.planId }, data: { nodeTags: [tag] } });
  await db.planNode.deleteMany({ where: { planId: made.planId } });
  await services.db.nodeDeparture.deleteMany({ where: { planId: made.planId } });
  return made;
}

const departures: [string, () => Promise<Site>, (made: Site) => Promise<unknown>][] = [
  [
    'is taken out of the plan',
    () => site(services),
    ({ planId }) => services.db.planNode.deleteMany({ where: { planId } }),
  ],
  [
    'loses its tag',
    tagged,
    ({ nodeId }) => services.db.node.update({ where: { id: nodeId }, data: { tags: [] } }),
  ],
  [
    'has a tag that the plan loses',
    tagged,
    ({ planId }) => services.db.plan.update({ where: { id: planId }, data: { nodeTags: ['other'] } }),
  ],
  [
    'moves to another server',
    () => site(services),
    async ({ nodeId }) => {
      const { id: serverId } = await buildServer(services.db);
      await services.db.node.update({ where: { id: nodeId }, data: { serverId } });
    },
  ],
];

/** Makes all that happened to the server seem to have happened two hours ago. */
async function twoHoursLater({ serverId }: Site): Promise<void> {
  await services.db.$executeRaw`
    UPDATE node_departures SET left_at = left_at - interval '2 hours' WHERE server_id = ${serverId}::uuid`;
  await services.db.$executeRaw`
    UPDATE servers SET full_list_at = full_list_at - interval '2 hours' WHERE id = ${serverId}::uuid`;
}

/** Confirms all changes, as the agent does. */
const confirm = ({ serverId }: Site) =>
  services.db.$executeRaw`
    UPDATE servers SET confirmed_revision = (full_list_revision << 21) WHERE id = ${serverId}::uuid`;

const uploaded = async ({ subscriptionId }: Site) =>
  (await services.db.userSubscription.findUniqueOrThrow({ where: { id: subscriptionId } })).upload;

describe.each(departures)('traffic at a node that %s', (_, build, leave) => {
  it('counts in the last reports after the agent knows', async () => {
    const made = await build();
    await leave(made);
    await confirm(made);

    expect((await made.report([made.entry(1n)])).refusals).toEqual([]);
    await twoHoursLater(made);
    expect((await made.report([made.entry(10n)])).refusals).toMatchObject([{ reason: 'FOREIGN' }]);
    expect(await uploaded(made)).toBe(1n);
  });

  it('counts for as long as the agent does not know', async () => {
    const made = await build();
    await confirm(made);
    await leave(made);

    expect((await made.report([made.entry(1n)])).refusals).toEqual([]);
    await twoHoursLater(made);
    expect((await made.report([made.entry(10n)])).refusals).toEqual([]);

    await confirm(made);
    expect((await made.report([made.entry(100n)])).refusals).toMatchObject([{ reason: 'FOREIGN' }]);
    expect(await uploaded(made)).toBe(11n);
  });
});

describe('traffic at a node that was never in the plan', () => {
  it('is refused whatever has left it', async () => {
    const [made, other] = [await site(services), await site(services)];
    await services.db.planNode.deleteMany({ where: { planId: other.planId } });

    const { refusals } = await made.report([
      entryOf(other.nodeId, other.subscriptionId),
      entryOf(made.nodeId, other.subscriptionId),
      entryOf(other.nodeId, made.subscriptionId),
    ]);

    expect(refusals.map(({ reason }) => reason)).toEqual(['FOREIGN', 'FOREIGN', 'FOREIGN']);
    expect(await uploaded(other)).toBe(0n);
  });

  it('is not recorded as departed when another tag still matches', async () => {
    const made = await tagged();
    const { tags } = await services.db.node.findUniqueOrThrow({ where: { id: made.nodeId } });
    await services.db.node.update({ where: { id: made.nodeId }, data: { tags: [...tags, 'more'] } });
    await services.db.plan.update({ where: { id: made.planId }, data: { nodeTags: ['more'] } });

    expect(await services.db.nodeDeparture.count({ where: { planId: made.planId } })).toBe(0);
  });
});
