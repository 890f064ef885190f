import type { GraphQLField, GraphQLSchema } from 'graphql';

/** Throws a refusal unless the caller in `context` may use fields with this policy. */
export type PolicyCheck<Context> = (policy: string, context: Context) => void;

/** Reads the policy from the field's schema extension; undefined if the field declares none. */
export function policyOf(field: GraphQLField<unknown, unknown>): string | undefined {
  const policy = field.extensions.policy;
  return typeof policy === 'string' ? policy : undefined;
}

/** Lists the fields of Query, Mutation and Subscription under names like `Query.viewer`. */
export function rootFields(schema: GraphQLSchema): Map<string, GraphQLField<unknown, unknown>> {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  return new Map(
    roots.flatMap((type) =>
      Object.values(type?.getFields() ?? {}).map((field) => [`${type?.name}.${field.name}`, field] as const),
    ),
  );
}

/**
 * Wraps every root field in the policy check, which makes it apply to both transports.
 *
 * @throws Error naming each root field without a policy: access is denied unless it was granted
 */
export function enforcePolicies<Context>(schema: GraphQLSchema, check: PolicyCheck<Context>): void {
  const fields = rootFields(schema);
  const missing = [...fields].filter(([, field]) => policyOf(field) === undefined).map(([name]) => name);
  if (missing.length > 0) throw new Error(`These root fields have no policy: ${missing.join(', ')}`);
  for (const field of fields.values()) guard(field, policyOf(field) ?? '', check);
}

function guard<Context>(
  field: GraphQLField<unknown, unknown>,
  policy: string,
  check: PolicyCheck<Context>,
): void {
  const { resolve, subscribe } = field;
  // Subscriptions are checked in `subscribe`: `resolve` runs later, once per message.
  if (subscribe) {
    field.subscribe = async (source, args, context, info) => {
      check(policy, context as Context);
      return subscribe(source, args, context, info);
    };
  } else if (resolve) {
    field.resolve = (source, args, context, info) => {
      check(policy, context as Context);
      return resolve(source, args, context, info);
    };
  }
}
