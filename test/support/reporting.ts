import { randomUUID } from 'node:crypto';
import { onTestFinished } from 'vitest';
import type { Prisma } from '../../src/generated/prisma/client.ts';
import { reportTraffic } from '../../src/modules/network/traffic/report-traffic.ts';
import type { RunningServices } from '../../src/platform/services.ts';
import { buildNode, buildPlan, buildPlanNode, buildServer, buildSubscription } from './factories.ts';

export interface Entry {
  nodeId: string;
  subscriptionId: string;
  upload: bigint;
  download: bigint;
}

/** What is usually reported. */
export function entryOf(nodeId: string, subscriptionId: string, upload = 1n, download = 0n): Entry {
  return { nodeId, subscriptionId, upload, download };
}

/** A server with a node of a plan of its own, and subscriptions of the plan. */
export async function site(
  services: RunningServices,
  {
    ratio = 1,
    plan = {},
    subscription = {},
    count = 1,
  }: {
    ratio?: number | string;
    plan?: Partial<Prisma.PlanUncheckedCreateInput>;
    subscription?: Partial<Prisma.UserSubscriptionUncheckedCreateInput>;
    count?: number;
  } = {},
) {
  const { db } = services;
  const { id: serverId } = await buildServer(db);
  const { id: nodeId } = await buildNode(db, { serverId, ratio });
  const { id: planId } = await buildPlan(db, plan);
  await buildPlanNode(db, { planId, nodeId });
  const ids: string[] = [];
  const users: string[] = [];
  for (let made = 0; made < count; made++) {
    const { id, userId } = await buildSubscription(db, { ...subscription, planId });
    ids.push(id);
    users.push(userId);
  }
  const [subscriptionId = '', userId = ''] = [ids[0], users[0]];
  const bootId = randomUUID();
  let sequence = 0n;
  return {
    ...{ serverId, nodeId, planId, subscriptionId, userId, ids, users, bootId },
    /** A report of this server; the next one in order unless told. */
    report: (entries: Entry[], place: { sequence?: bigint; bootId?: string } = {}) => {
      sequence += 1n;
      return reportTraffic(services, { serverId, input: { bootId, sequence, entries, ...place } });
    },
    entry: (upload = 1n, download = 0n) => entryOf(nodeId, subscriptionId, upload, download),
  };
}

/** Who is woken from now on: `topic id`. */
export function listening({ pubSub }: Pick<RunningServices, 'pubSub'>): string[] {
  const woken: string[] = [];
  onTestFinished(pubSub.onWake((topic, ids) => void woken.push(...ids.map((id) => `${topic} ${id}`))));
  return woken;
}

/** How many statements wait for a lock. */
export async function waiting({ db }: Pick<RunningServices, 'db'>): Promise<number> {
  const [row] = await db.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int AS count FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return row.count;
}
