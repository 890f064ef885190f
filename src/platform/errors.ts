/** A refusal, shown to the client as it is. Everything else that is thrown is a bug or an outage, and is masked. */
export class DomainError extends Error {
  constructor(
    /** One of the ErrorCode enum of the schema; part of the public API, it never changes. */
    readonly code: string,
    /** A sentence for people. */
    message: string,
    readonly details: ErrorDetails = {},
  ) {
    super(message);
    this.name = 'DomainError';
  }
}

/** What a refusal may say beyond its code and its sentence. */
export interface ErrorDetails {
  /** The argument or input field at fault, as a path with dots: `input.code`. */
  field?: string;
  /** Seconds after which it is worth trying again. */
  retryAfterSeconds?: number;
  /** The order that stands in the way. */
  orderId?: string;
  /** Confirms a binding that needs a decision. */
  confirmationToken?: string;
}

/** Makes an error class whose codes are the keys of the table: a wrong code does not compile. */
export function defineErrors<const Code extends string>(messages: Record<Code, string>) {
  return class extends DomainError {
    static readonly messages = messages;
    declare readonly code: Code;
    constructor(code: Code, details?: ErrorDetails & { message?: string }) {
      const { message = messages[code], ...rest } = details ?? {};
      super(code, message, rest);
    }
  };
}

/** Refusals that any part of the service may give. */
export const PlatformError = defineErrors({
  UNAUTHENTICATED: 'Sign in first: no valid access token came with the request.',
  FORBIDDEN: 'Your account may not do this.',
  NOT_FOUND: 'There is nothing with this id, or it is not yours.',
  BAD_USER_INPUT: 'The input is not valid.',
  RATE_LIMITED: 'Too many attempts. Wait, then try again.',
  SERVICE_UNAVAILABLE: 'A part of the service is away for a moment. Try again shortly.',
  INTERNAL_SERVER_ERROR: 'Something went wrong on our side. It has been logged under the request id.',
  GRAPHQL_PARSE_FAILED: 'The document is not valid GraphQL.',
  GRAPHQL_VALIDATION_FAILED: 'The document does not fit the schema.',
  OPERATION_RESOLUTION_FAILURE: 'The document has no operation of that name.',
  OPERATION_TOO_COMPLEX: 'The operation asks for too much at once.',
  EDIT_CONFLICT: 'Somebody else has changed this meanwhile. Read it again, then repeat your change.',
  STILL_IN_USE: 'Something else still depends on this.',
});

/** Codes after which the same request may simply be sent again. */
export const RETRYABLE: ReadonlySet<string> = new Set([
  'RATE_LIMITED',
  'SERVICE_UNAVAILABLE',
  'REDEMPTION_IN_PROGRESS',
  'EDIT_CONFLICT',
]);
