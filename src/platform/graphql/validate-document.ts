import {
  type DocumentNode,
  type GraphQLError,
  type GraphQLSchema,
  Kind,
  specifiedRules,
  TypeInfo,
  ValidationContext,
  validate,
} from 'graphql';
import { sizeRule } from './limits.ts';
import { checkOverlaps } from './overlaps.ts';
import { validationRules } from './rules.ts';

const RULES = [...specifiedRules, ...validationRules];

/** Suggestions name parts of the schema, and take most of the time of an invalid document. */
const OPTIONS = { maxErrors: 20, hideSuggestions: true } as const;

/**
 * Validates a document against the rules of the specification and ours. Documents beyond the bounds
 * of size and overlaps are refused before the other rules run.
 *
 * @returns the errors that refuse it; none if it is valid
 */
export function validateDocument(schema: GraphQLSchema, document: DocumentNode): readonly GraphQLError[] {
  const tooLarge = boundErrors(schema, document);
  const errors = tooLarge.length > 0 ? tooLarge : validate(schema, document, RULES, OPTIONS);
  for (const { extensions } of errors) extensions.code = 'GRAPHQL_VALIDATION_FAILED';
  return errors;
}

/** Applies the rules that bound the cost of all others. */
function boundErrors(schema: GraphQLSchema, document: DocumentNode): readonly GraphQLError[] {
  const errors: GraphQLError[] = [];
  const report = (error: GraphQLError) => errors.push(error);
  const context = new ValidationContext(schema, document, new TypeInfo(schema), report);
  const operations = document.definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION);
  const fragments = document.definitions.filter((node) => node.kind === Kind.FRAGMENT_DEFINITION);
  const size = sizeRule(context);
  for (const operation of operations) size.OperationDefinition(operation);
  if (errors.length > 0) return errors.slice(0, OPTIONS.maxErrors);
  checkOverlaps(context, [...operations, ...fragments]);
  return errors;
}
