import 'reflect-metadata';
import { type GraphQLObjectType, type GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql';
import { buildSchema, type NonEmptyArray, type PubSub } from 'type-graphql';
import type { Context } from './context.ts';
import { AdAdminResolver } from './modules/catalog/ad/ad.admin-resolver.ts';
import { AdResolver } from './modules/catalog/ad/ad.resolver.ts';
import { PlanAdminResolver } from './modules/catalog/plan/plan.admin-resolver.ts';
import { PlanResolver } from './modules/catalog/plan/plan.resolver.ts';
import { SiteAdminResolver } from './modules/catalog/site/site.admin-resolver.ts';
import { SiteResolver } from './modules/catalog/site/site.resolver.ts';
import { TransportKeyAdminResolver } from './modules/catalog/site/transport-key.admin-resolver.ts';
import { DeviceAdminResolver } from './modules/identity/device/device.admin-resolver.ts';
import { DeviceResolver } from './modules/identity/device/device.resolver.ts';
import {
  DevicePresenceResolver,
  DeviceStatisticsResolver,
} from './modules/identity/presence/presence.resolver.ts';
import { SessionResolver } from './modules/identity/session/session.resolver.ts';
import { checkPolicy } from './modules/kernel/access.ts';
import { UserAdminResolver } from './modules/lifecycle/account/user.admin-resolver.ts';
import { UserResolver } from './modules/lifecycle/account/user.resolver.ts';
import { BindingAdminResolver } from './modules/lifecycle/binding/binding.admin-resolver.ts';
import { BindingResolver } from './modules/lifecycle/binding/binding.resolver.ts';
import { LinkCodeResolver } from './modules/lifecycle/binding/link-code.resolver.ts';
import { DeviceLoginResolver } from './modules/lifecycle/login/device-login.resolver.ts';
import { EmailAdminResolver } from './modules/lifecycle/login/email.admin-resolver.ts';
import { PasswordLoginResolver } from './modules/lifecycle/login/password-login.resolver.ts';
import { AgentResolver } from './modules/network/agent/agent.resolver.ts';
import { SubscriptionLinkResolver } from './modules/network/links/link.resolver.ts';
import { NodeAdminResolver } from './modules/network/node/node.admin-resolver.ts';
import { SubscriptionNodeResolver } from './modules/network/node/node.resolver.ts';
import { ServerAdminResolver } from './modules/network/server/server.admin-resolver.ts';
import { ServerResolver } from './modules/network/server/server.resolver.ts';
import { TrafficResolver } from './modules/network/traffic/traffic.resolver.ts';
import { NodeNumberAdminResolver } from './modules/network/uniproxy/node-number.admin-resolver.ts';
import { AuditAdminResolver } from './modules/operations/audit/audit.admin-resolver.ts';
import { StatisticsAdminResolver } from './modules/operations/statistics/statistics.admin-resolver.ts';
import { RedemptionResolver } from './modules/redemption/accept/redemption.resolver.ts';
import { RetryAdminResolver } from './modules/redemption/accept/retry.admin-resolver.ts';
import { CodeBatchAdminResolver } from './modules/redemption/batch/code-batch.admin-resolver.ts';
import { RedemptionBatchResolver } from './modules/redemption/batch/code-batch.resolver.ts';
import { RedemptionCodeAdminResolver } from './modules/redemption/code/redemption-code.admin-resolver.ts';
import { RedemptionCodeResolver } from './modules/redemption/code/redemption-code.resolver.ts';
import { OrderAdminResolver } from './modules/redemption/order/order.admin-resolver.ts';
import { OrderResolver } from './modules/redemption/order/order.resolver.ts';
import { RedemptionRecordResolver } from './modules/redemption/order/redemption-record.resolver.ts';
import { SubscriptionAdminResolver } from './modules/subscription/subscription.admin-resolver.ts';
import { SubscriptionResolver } from './modules/subscription/subscription.resolver.ts';
import { LIMITS } from './platform/graphql/limits.ts';
import { limitListValues } from './platform/graphql/list-values.ts';
import { enforcePolicies } from './platform/graphql/policy.ts';
import { DateTimeScalar } from './platform/graphql/scalars.ts';
import { adaptToCompiledQueries, useDefaultResolvers } from './platform/graphql/simple-resolvers.ts';

// biome-ignore lint/complexity/noBannedTypes: the type that type-graphql asks for
const resolvers: NonEmptyArray<Function> = [
  AdAdminResolver,
  AdResolver,
  AgentResolver,
  AuditAdminResolver,
  BindingAdminResolver,
  BindingResolver,
  CodeBatchAdminResolver,
  DeviceAdminResolver,
  DeviceLoginResolver,
  DevicePresenceResolver,
  DeviceResolver,
  DeviceStatisticsResolver,
  EmailAdminResolver,
  LinkCodeResolver,
  NodeAdminResolver,
  OrderAdminResolver,
  OrderResolver,
  PasswordLoginResolver,
  PlanAdminResolver,
  PlanResolver,
  RedemptionBatchResolver,
  RedemptionCodeAdminResolver,
  RedemptionCodeResolver,
  RedemptionRecordResolver,
  RedemptionResolver,
  RetryAdminResolver,
  ServerAdminResolver,
  ServerResolver,
  SessionResolver,
  SiteAdminResolver,
  SiteResolver,
  StatisticsAdminResolver,
  SubscriptionAdminResolver,
  SubscriptionNodeResolver,
  SubscriptionResolver,
  SubscriptionLinkResolver,
  NodeNumberAdminResolver,
  TrafficResolver,
  TransportKeyAdminResolver,
  UserAdminResolver,
  UserResolver,
];

/** Required by type-graphql, but unused: every subscription has a `subscribe` function. */
const NO_PUBSUB: PubSub = {
  publish: () => {},
  subscribe: (topic) => {
    throw new Error(`a subscription to ${topic} has no subscribe function`);
  },
};

/** Set on the built schema, because type-graphql cannot describe the root types. */
const ROOT_DESCRIPTIONS = {
  Query: 'Reads data. Root fields are nullable: an error nulls its own field and no other.',
  Mutation: 'Changes data. An operation can have one root field only.',
  Subscription:
    'Watches data over a websocket. The first message is the current state, then one follows each change.',
};

/**
 * Builds the public API. Verbs validate their input with zod, so type-graphql does not.
 *
 * @throws Error naming each root field without an access policy
 */
export async function createSchema(): Promise<GraphQLSchema> {
  useDefaultResolvers();
  const schema = await buildSchema({
    resolvers,
    validate: false,
    pubSub: NO_PUBSUB,
    scalarsMap: [{ type: Date, scalar: DateTimeScalar }],
  });
  for (const [name, description] of Object.entries(ROOT_DESCRIPTIONS)) {
    const root = schema.getType(name);
    if (root) root.description = description;
  }
  adaptToCompiledQueries(schema);
  enforcePolicies(schema, (policy, context: Context) => checkPolicy(policy, context));
  limitListValues(schema, ({ caller }: Context) =>
    caller.kind === 'agent' ? LIMITS.agentValues : LIMITS.values,
  );
  return schema;
}

/**
 * The directive by which `schema.graphql` says who may call a field. It is not part of the schema
 * itself, because introspection does not show applied directives.
 */
const ACCESS = `
"""Callers that a field accepts. Fields without it are as accessible as the type that has them."""
directive @access(role: AccessRole!) on FIELD_DEFINITION

"""A kind of caller."""
enum AccessRole {
  """Admins."""
  ADMIN

  """The agent of a server, for this server."""
  AGENT

  """Every caller, also without a token."""
  PUBLIC

  """Users who are signed in, for their own data."""
  SIGNED_IN
}`;

/** Prints the content of `schema.graphql`. Sorted, so that its diffs show actual changes only. */
export function printedSchema(schema: GraphQLSchema): string {
  const printed = printSchema(lexicographicSortSchema(schema));
  return `${printed.replace(TYPE, (text, type: string) => withAccess(schema, type, text))}\n${ACCESS}\n`;
}

const TYPE = /^type (\w+)[^{]*\{$[\s\S]*?^\}$/gm;
/** A field from its name to the end of its last line. Its arguments may have lines of their own. */
const FIELD = /^ {2}(\w+)(?:\($[\s\S]*?^ {2}\)|\(.*\))?: .*$/gm;

/** Appends the policy that `enforcePolicies` enforces to each field that has one. */
function withAccess(schema: GraphQLSchema, type: string, text: string): string {
  const fields = (schema.getType(type) as GraphQLObjectType).getFields();
  return text.replace(FIELD, (line, name: string) => {
    const role = fields[name]?.extensions.policy;
    return typeof role === 'string' ? `${line} @access(role: ${role})` : line;
  });
}
