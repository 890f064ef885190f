import {
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql';
import { REASON } from './mask-error.ts';

/** What one operation may ask for, on every transport. */
export const LIMITS = {
  /** Lexical tokens in the document; parsing stops there. */
  tokens: 1_000,
  /** Fields inside fields. */
  depth: 10,
  /** Fields, with every fragment counted wherever it is spread. */
  fields: 1_000,
  /** Directives, counted likewise. */
  directives: 50,
  /** Objects that could come back, each list counted with its page size. */
  cost: 2_000,
  /** Lists and objects inside each other in the variables. */
  variableDepth: 32,
  /** Milliseconds from an operation to its answer; a message of a subscription has as long. */
  operationMs: 8_000,
  /** The same for admins and agents, who ask for much at once. */
  longOperationMs: 15_000,
  /** HTTP requests that are worked on at once in one process, and as many of agents. */
  requests: 256,
  /** When the first in line has waited for so many milliseconds, who comes is refused at once. */
  requestsCrowdedMs: 500,
  /** Milliseconds that a request may wait in line. */
  requestWaitMs: 3_000,
  /** Subscriptions at once on one websocket. */
  subscriptionsPerSocket: 20,
  /** Websockets at once in one process. */
  sockets: 6_000,
  /** From one address (/64): many users may share it. */
  socketsPerAddress: 1_000,
  /** From one address, of those that have not said yet who they are. */
  strangersPerAddress: 20,
  /** Of one user; beyond them one for each further device. */
  socketsPerUser: 10,
  /** Messages that one websocket may send. */
  socketMessages: { burst: 200, perSecond: 20 },
  /** Bytes of a request body or a websocket frame, checked before parsing. */
  bodyBytes: 64 * 1024,
  /** The same for a request body with the token of a server: traffic of thousands comes in one report. */
  agentBodyBytes: 1024 * 1024,
} as const;

/** An error that says which limit an operation is over. */
export function tooComplex(message: string, node?: OperationDefinitionNode): GraphQLError {
  return new GraphQLError(message, {
    nodes: node ?? null,
    extensions: { [REASON]: 'OPERATION_TOO_COMPLEX' },
  });
}

interface Size {
  depth: number;
  fields: number;
  directives: number;
}

/** No operation is larger than the limits. Introspection fields are free here; their tokens are counted. */
export function sizeRule(context: ValidationContext) {
  const fragments = new Map<string, Size>();
  return {
    OperationDefinition(operation: OperationDefinitionNode) {
      const { depth, fields, directives } = sizeOf(operation.selectionSet, context, fragments);
      if (depth > LIMITS.depth) {
        context.reportError(
          tooComplex(
            `The operation is ${depth} levels deep; at most ${LIMITS.depth} are allowed.`,
            operation,
          ),
        );
      }
      if (fields > LIMITS.fields) {
        context.reportError(
          tooComplex(`The operation has more than ${LIMITS.fields} fields, fragments included.`, operation),
        );
      }
      if (directives > LIMITS.directives) {
        context.reportError(
          tooComplex(
            `The operation has more than ${LIMITS.directives} directives, fragments included.`,
            operation,
          ),
        );
      }
    },
  };
}

type Sizes = Map<string, Size>;

function sizeOf(selectionSet: SelectionSetNode, context: ValidationContext, fragments: Sizes): Size {
  const sizes = selectionSet.selections.map((selection) => selectionSize(selection, context, fragments));
  return {
    depth: Math.max(0, ...sizes.map(({ depth }) => depth)),
    fields: sizes.reduce((sum, { fields }) => sum + fields, 0),
    directives: sizes.reduce((sum, { directives }) => sum + directives, 0),
  };
}

function selectionSize(selection: SelectionNode, context: ValidationContext, fragments: Sizes): Size {
  const own = selection.directives?.length ?? 0;
  const { depth, fields, directives } = sizeBelow(selection, context, fragments);
  if (selection.kind !== Kind.FIELD) return { depth, fields, directives: directives + own };
  return {
    depth: isIntrospection(selection) ? 0 : depth + 1,
    fields: fields + 1,
    directives: directives + own,
  };
}

function sizeBelow(selection: SelectionNode, context: ValidationContext, fragments: Sizes): Size {
  if (selection.kind === Kind.FRAGMENT_SPREAD)
    return fragmentSize(context.getFragment(selection.name.value), context, fragments);
  if (!selection.selectionSet || isIntrospection(selection)) return NOTHING;
  return sizeOf(selection.selectionSet, context, fragments);
}

const isIntrospection = (selection: SelectionNode) =>
  selection.kind === Kind.FIELD && selection.name.value.startsWith('__');

const NOTHING: Size = { depth: 0, fields: 0, directives: 0 };

/** Each fragment is measured once, however often it is spread; one inside itself is refused by GraphQL's own rule. */
function fragmentSize(
  fragment: FragmentDefinitionNode | null | undefined,
  context: ValidationContext,
  fragments: Sizes,
): Size {
  if (!fragment) return NOTHING;
  const name = fragment.name.value;
  const known = fragments.get(name);
  if (known) return known;
  fragments.set(name, NOTHING);
  const size = sizeOf(fragment.selectionSet, context, fragments);
  fragments.set(name, size);
  return size;
}
