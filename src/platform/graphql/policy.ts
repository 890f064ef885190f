import type { GraphQLField, GraphQLSchema } from 'graphql';

/** Decides whether the caller in `context` may use a field with this policy; throws a refusal when not. */
export type PolicyCheck<Context> = (policy: string, context: Context) => void;

/** The field's policy, put there as a schema extension; undefined when nobody has said. */
export function policyOf(field: GraphQLField<unknown, unknown>): string | undefined {
  const policy = field.extensions.policy;
  return typeof policy === 'string' ? policy : undefined;
}

/** Every field of Query, Mutation and Subscription, as `Query.viewer`. */
export function rootFields(schema: GraphQLSchema): Map<string, GraphQLField<unknown, unknown>> {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  return new Map(
    roots.flatMap((type) =>
      Object.values(type?.getFields() ?? {}).map((field) => [`${type?.name}.${field.name}`, field] as const),
    ),
  );
}

/**
 * Puts the policy check in front of every root field, on whichever transport it is called.
 *
 * @throws Error naming each root field without a policy: what nobody has decided stays closed
 */
export function enforcePolicies<Context>(schema: GraphQLSchema, check: PolicyCheck<Context>): void {
  const fields = rootFields(schema);
  const undecided = [...fields].filter(([, field]) => policyOf(field) === undefined).map(([name]) => name);
  if (undecided.length > 0) throw new Error(`These root fields have no policy: ${undecided.join(', ')}`);
  for (const field of fields.values()) guard(field, policyOf(field) ?? '', check);
}

function guard<Context>(
  field: GraphQLField<unknown, unknown>,
  policy: string,
  check: PolicyCheck<Context>,
): void {
  const { resolve, subscribe } = field;
  // A subscription is checked where it begins: its resolver runs later, for each message.
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
