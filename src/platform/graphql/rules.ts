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
import { sizeRule, tooComplex } from './limits.ts';
import { REASON } from './mask-error.ts';

/** Our rules beside GraphQL's own. */
export const validationRules: readonly ValidationRule[] = [sizeRule, oneMutationRule, watchedRootRule];

/** A subscription without its root field would watch nothing, and graphql-js fails over it. */
function watchedRootRule(context: ValidationContext) {
  return {
    OperationDefinition({ operation, selectionSet }: OperationDefinitionNode) {
      if (operation !== OperationTypeNode.SUBSCRIPTION) return;
      for (const { directives = [] } of rootSelections(selectionSet, context, new Set())) {
        const skipping = directives.filter(({ name }) => name.value === 'skip' || name.value === 'include');
        if (skipping.length === 0) continue;
        const message = 'The root field of a subscription may not be left out.';
        context.reportError(
          new GraphQLError(message, { nodes: skipping, extensions: { [REASON]: 'BAD_USER_INPUT' } }),
        );
      }
    },
  };
}

/** A mutation does one thing: so one answer says whether it happened, and guesses cannot be bundled. */
function oneMutationRule(context: ValidationContext) {
  return {
    OperationDefinition(operation: OperationDefinitionNode) {
      if (operation.operation !== OperationTypeNode.MUTATION) return;
      const roots = rootSelections(operation.selectionSet, context, new Set());
      const fields = [...roots].filter(({ kind }) => kind === Kind.FIELD).length;
      if (fields > 1) context.reportError(tooComplex('A mutation may have one root field only.', operation));
    },
  };
}

/** Everything at the root, fragments and what is in them included; each fragment once, however often it is spread. */
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
