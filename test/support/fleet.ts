import type { Plan } from '../../src/generated/prisma/client.ts';
import type { Database } from '../../src/platform/database/database.ts';
import { ServerUsersDocument, type ServerUsersQuery } from '../generated/graphql.ts';
import type { TestApi } from './api.ts';
import type { Client } from './client.ts';
import { buildNode, buildPlan, buildPlanNode } from './factories.ts';

export type Agent = Client & { serverId: string };
export type Delta = NonNullable<ServerUsersQuery['serverUsers']>;

/** A plan on a server with an agent. */
export async function buildFleet(api: TestApi, plan: Parameters<typeof buildPlan>[1] = {}) {
  const agent: Agent = await api.newAgent();
  const placed = await placePlan(api.services.db, agent.serverId, plan);
  return { agent, ...placed };
}

/** A plan with a node of its own on the server. */
export async function placePlan(
  db: Database,
  serverId: string,
  overrides: Parameters<typeof buildPlan>[1] = {},
): Promise<{ plan: Plan; nodeId: string }> {
  const plan = await buildPlan(db, overrides);
  const { id: nodeId } = await buildNode(db, { serverId });
  await buildPlanNode(db, { planId: plan.id, nodeId });
  return { plan, nodeId };
}

/** What an agent remembers: it knows nothing of how lists are made. */
export class AgentMemory {
  users = new Map<string, Delta['upserts'][number]>();
  revision: string | null = null;
  /** The list that is being read, until it is whole. */
  private pending: Map<string, Delta['upserts'][number]> | undefined;
  deltas = 0;
  fulls = 0;

  apply({ revision, full, hasMore, upserts, removals }: Delta): void {
    this.deltas += 1;
    if (full) {
      this.fulls += 1;
      this.pending = new Map();
    }
    const users = this.pending ?? this.users;
    for (const user of upserts) users.set(user.subscriptionId, user);
    for (const id of removals) users.delete(id);
    if (!hasMore && this.pending) {
      this.users = this.pending;
      this.pending = undefined;
    }
    this.revision = revision;
  }

  /** Asks until there is nothing more. */
  async sync(agent: Client, first?: number): Promise<this> {
    for (;;) {
      const variables = { since: this.revision, ...(first !== undefined && { first }) };
      const { serverUsers } = await agent.get(ServerUsersDocument, variables);
      if (!serverUsers) throw new Error('there is no list');
      this.apply(serverUsers);
      if (!serverUsers.hasMore) return this;
    }
  }

  get ids(): string[] {
    return [...this.users.keys()].sort();
  }
}
