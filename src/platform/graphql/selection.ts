import {
  type FieldNode,
  type GraphQLField,
  GraphQLIncludeDirective,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  GraphQLSkipDirective,
  getArgumentValues,
  getDirectiveValues,
  getNamedType,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from 'graphql';

/**
 * A requested field. A field that is selected several times, with different aliases, appears each
 * time.
 */
export interface SelectedField {
  name: string;
  args: Record<string, unknown>;
  /** Its sub-selections; empty for a scalar. */
  fields: () => SelectedField[];
}

/**
 * Lists the sub-selections of the field that is being resolved, following fragments and `@skip`.
 */
export function selectionOf(info: GraphQLResolveInfo): SelectedField[] {
  const type = getNamedType(info.returnType);
  if (!isObjectType(type)) return [];
  return info.fieldNodes.flatMap(({ selectionSet }) => fieldsOf(type, selectionSet, info));
}

function fieldsOf(
  type: GraphQLObjectType,
  selectionSet: SelectionSetNode | undefined,
  info: GraphQLResolveInfo,
): SelectedField[] {
  return (selectionSet?.selections ?? []).flatMap((selection) => {
    if (isSkipped(selection, info)) return [];
    if (selection.kind === Kind.INLINE_FRAGMENT) return fieldsOf(type, selection.selectionSet, info);
    if (selection.kind === Kind.FRAGMENT_SPREAD)
      return fieldsOf(type, info.fragments[selection.name.value]?.selectionSet, info);
    const field = type.getFields()[selection.name.value];
    return field ? [selected(field, selection, info)] : [];
  });
}

type Directives = Parameters<typeof getDirectiveValues>[1];

function isSkipped(node: Directives, { variableValues }: GraphQLResolveInfo): boolean {
  return (
    getDirectiveValues(GraphQLSkipDirective, node, variableValues)?.if === true ||
    getDirectiveValues(GraphQLIncludeDirective, node, variableValues)?.if === false
  );
}

function selected(
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
  info: GraphQLResolveInfo,
): SelectedField {
  const type = getNamedType(field.type);
  return {
    name: field.name,
    args: getArgumentValues(field, node, info.variableValues),
    fields: () => (isObjectType(type) ? fieldsOf(type, node.selectionSet, info) : []),
  };
}
