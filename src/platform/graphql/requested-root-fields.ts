import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  getArgumentValues,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';

/** An operation that has passed validation and has not been executed yet. */
export interface ValidOperation {
  document: DocumentNode;
  operation: OperationDefinitionNode;
  variables: Record<string, unknown>;
}

/** A selection of a root field. */
export interface RequestedRootField {
  field: string;
  /**
   * Coerced arguments, as the resolver gets them. Empty if coercion fails, in which case the
   * operation will not be executed.
   */
  args: () => Record<string, unknown>;
}

/**
 * Lists the root fields of an operation, including those in fragments or under `@skip` or
 * `@include`.
 */
export function requestedRootFields(schema: GraphQLSchema, valid: ValidOperation): RequestedRootField[] {
  const { document, operation } = valid;
  return rootNodes(operation.selectionSet, fragmentsOf(document)).map((node) => ({
    field: node.name.value,
    args: () => argumentsOf(schema, valid, node),
  }));
}

function argumentsOf(schema: GraphQLSchema, { operation, variables }: ValidOperation, node: FieldNode) {
  const field = schema.getRootType(operation.operation)?.getFields()[node.name.value];
  const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variables);
  try {
    return field && coerced ? getArgumentValues(field, node, coerced) : {};
  } catch {
    return {};
  }
}

function rootNodes(
  selectionSet: SelectionSetNode,
  fragments: Map<string, FragmentDefinitionNode>,
): FieldNode[] {
  return selectionSet.selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection];
    if (selection.kind === Kind.INLINE_FRAGMENT) return rootNodes(selection.selectionSet, fragments);
    const fragment = fragments.get(selection.name.value);
    return fragment ? rootNodes(fragment.selectionSet, fragments) : [];
  });
}

function fragmentsOf({ definitions }: DocumentNode): Map<string, FragmentDefinitionNode> {
  const fragments = definitions.filter((node) => node.kind === Kind.FRAGMENT_DEFINITION);
  return new Map(fragments.map((fragment) => [fragment.name.value, fragment]));
}
