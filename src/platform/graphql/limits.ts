import {
  type ASTNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql';
import { RULE_CODE } from './mask-error.ts';

/**
 * Limits of operations and connections, on both transports. docs/limits.md lists them for clients.
 */
export const LIMITS = {
  /** Length of the document in UTF-16 code units, apart from the size of the body. */
  documentLength: 16_000,
  /** Lines of the document. */
  documentLines: 1_000,
  /** Lexical tokens and comments in the document. Parsing stops at this number. */
  tokens: 1_000,
  /** Nesting of fields. */
  depth: 10,
  /** Fields, counting a fragment each time it is spread. */
  fields: 1_000,
  /** Directives, counting a fragment each time it is spread. */
  directives: 50,
  /** Selections, and comparisons of fields and fragments that validation needs. */
  comparisons: 10_000,
  /** Estimated objects in the response, counting each list with its page size. */
  cost: 2_000,
  /** Root fields of an operation, counting a fragment each time it is spread. */
  rootFields: 20,
  /** SQL statements that an operation could run: one per root field and per page of a list. */
  statements: 250,
  /** Transactions and single statements of one HTTP request at the same time. */
  concurrentStatements: 4,
  /** Values in the lists of a response, counted when they are read: entries times their fields. */
  values: 100_000,
  /** The same for agents, whose lists have up to 10,000 entries. */
  agentValues: 1_000_000,
  /** Nesting of lists and objects in the variables. */
  variableDepth: 32,
  /** Time limit of an operation, and of each message of a subscription. */
  operationMs: 8_000,
  /** Time limit for admins and agents, whose operations read more data. */
  longOperationMs: 15_000,
  /** Concurrent HTTP requests per process. Agents have a separate semaphore of the same size. */
  requests: 256,
  /** New requests are rejected while the oldest queued one has waited for longer than this. */
  requestQueueTargetMs: 500,
  /** Longest time that a request waits in the queue. */
  requestMaxWaitMs: 3_000,
  /** Downloads of codes at the same time per process. */
  csvDownloads: 8,
  /** A download whose client receives nothing for this time is aborted. */
  csvStallMs: 30_000,
  /** Concurrent subscriptions per websocket. */
  subscriptionsPerSocket: 20,
  /** Memory that the documents and variables of the subscriptions of one websocket retain. */
  subscriptionBytes: 256 * 1024,
  /** Open websockets per process. */
  sockets: 6_000,
  /** Open websockets per client address or IPv6 /64, which many users may share. */
  socketsPerAddress: 1_000,
  /** Open websockets per client address that have not authenticated yet. */
  unauthenticatedPerAddress: 20,
  /** Open websockets per user. The first websocket of each device is allowed beyond this limit. */
  socketsPerUser: 10,
  /** Rate limit of messages from one websocket. */
  socketMessages: { burst: 200, perSecond: 20 },
  /** Size of a request body or websocket message, checked before parsing. */
  bodyBytes: 64 * 1024,
  /** Size of an agent's request body: one report carries the traffic of thousands of users. */
  agentBodyBytes: 1024 * 1024,
} as const;

/** Creates the error for an operation that exceeds a limit; `message` names the limit. */
export function tooComplex(message: string, node?: ASTNode): GraphQLError {
  return new GraphQLError(message, {
    nodes: node ?? null,
    extensions: { [RULE_CODE]: 'OPERATION_TOO_COMPLEX' },
  });
}

interface Size {
  depth: number;
  fields: number;
  /** Fields that are not below another field. */
  roots: number;
  directives: number;
}

/**
 * Enforces `depth`, `fields`, `rootFields` and `directives`. Introspection is bounded by `tokens`
 * only.
 */
export function sizeRule(context: ValidationContext) {
  const fragments = new Map<string, Size>();
  return {
    OperationDefinition(operation: OperationDefinitionNode) {
      const { depth, fields, roots, directives } = sizeOf(operation.selectionSet, context, fragments);
      if (roots > LIMITS.rootFields) {
        context.reportError(
          tooComplex(`The operation has ${roots} root fields; the limit is ${LIMITS.rootFields}.`, operation),
        );
      }
      if (depth > LIMITS.depth) {
        context.reportError(
          tooComplex(`The operation is ${depth} levels deep; the limit is ${LIMITS.depth}.`, operation),
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
    roots: sizes.reduce((sum, { roots }) => sum + roots, 0),
    directives: sizes.reduce((sum, { directives }) => sum + directives, 0),
  };
}

function selectionSize(selection: SelectionNode, context: ValidationContext, fragments: Sizes): Size {
  const own = selection.directives?.length ?? 0;
  const { depth, fields, roots, directives } = sizeBelow(selection, context, fragments);
  if (selection.kind !== Kind.FIELD) return { depth, fields, roots, directives: directives + own };
  return {
    roots: 1,
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

const NOTHING: Size = { depth: 0, fields: 0, roots: 0, directives: 0 };

/**
 * Measures each fragment once, however often it is spread. The placeholder ends the recursion for a
 * fragment that contains itself, which a GraphQL rule rejects.
 */
function fragmentSize(
  fragment: FragmentDefinitionNode | null | undefined,
  context: ValidationContext,
  fragments: Sizes,
): Size {
  if (!fragment) return NOTHING;
  const name = fragment.name.value;
  const measured = fragments.get(name);
  if (measured) return measured;
  fragments.set(name, NOTHING);
  const size = sizeOf(fragment.selectionSet, context, fragments);
  fragments.set(name, size);
  return size;
}
