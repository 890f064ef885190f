import {
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionNode,
  type SelectionSetNode,
  type ValidationContext,
  type ValidationRule,
} from 'graphql';
import { tooComplex } from './limits.ts';
import { RULE_CODE } from './mask-error.ts';

/** Validation rules in addition to those of the GraphQL specification. */
export const validationRules: readonly ValidationRule[] = [singleMutationRule, unconditionalSubscriptionRule];

/**
 * Rejects `@skip` and `@include` on root fields: graphql-js throws for a subscription without one.
 */
function unconditionalSubscriptionRule(context: ValidationContext) {
  return {
    OperationDefinition({ operation, selectionSet }: OperationDefinitionNode) {
      if (operation !== OperationTypeNode.SUBSCRIPTION) return;
      for (const { directives = [] } of rootSelections(selectionSet, context, new Set())) {
        const conditions = directives.filter(({ name }) => name.value === 'skip' || name.value === 'include');
        if (conditions.length === 0) continue;
        const message = 'The root field of a subscription cannot have @skip or @include.';
        context.reportError(
          new GraphQLError(message, { nodes: conditions, extensions: { [RULE_CODE]: 'BAD_USER_INPUT' } }),
        );
      }
    },
  };
}

/**
 * Allows one root field per mutation, so that a response reports one outcome and an attacker cannot
 * try several codes or passwords in one request.
 */
function singleMutationRule(context: ValidationContext) {
  return {
    OperationDefinition(operation: OperationDefinitionNode) {
      if (operation.operation !== OperationTypeNode.MUTATION) return;
      const roots = rootSelections(operation.selectionSet, context, new Set());
      const fields = [...roots].filter(({ kind }) => kind === Kind.FIELD).length;
      if (fields > 1) context.reportError(tooComplex('A mutation can have only one root field.', operation));
    },
  };
}

/** Yields the selections at the root, following fragments. Visits each fragment once. */
function* rootSelections(
  selectionSet: SelectionSetNode,
  context: ValidationContext,
  seen: Set<string>,
): Generator<SelectionNode> {
  for (const selection of selectionSet.selections) {
    yield selection;
    if (selection.kind === Kind.INLINE_FRAGMENT) yield* rootSelections(selection.selectionSet, context, seen);
    if (selection.kind !== Kind.FRAGMENT_SPREAD || seen.has(selection.name.value)) continue;
    seen.add(selection.name.value);
    const fragment = context.getFragment(selection.name.value);
    if (fragment) yield* rootSelections(fragment.selectionSet, context, seen);
  }
}
