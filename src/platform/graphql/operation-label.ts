import { Kind, type OperationDefinitionNode } from 'graphql';

/**
 * Names a valid operation by its kind and its first root field, as in `mutation redeemCode`: unlike
 * the name that a client chooses, the number of these is limited by the schema.
 */
export function operationLabel({ operation, selectionSet }: OperationDefinitionNode): string {
  const [first] = selectionSet.selections;
  return `${operation} ${first?.kind === Kind.FIELD ? first.name.value : '(fragment)'}`;
}
