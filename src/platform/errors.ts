/** What a refusal is, apart from its code. */
interface Refusal {
  /** A sentence for people. */
  message: string;
  /** Whether the same request may succeed when it is sent again unchanged. */
  retryable?: boolean;
  /**
   * The HTTP status of a request that is refused before execution; 200 once execution has begun.
   * Default 400.
   */
  status?: number;
}

/** What an error may carry besides its code and its sentence. */
export interface ErrorDetails {
  /** The invalid argument or input field, as a dotted path: `input.code`. */
  field?: string;
  /** Seconds until a retry can succeed. */
  retryAfterSeconds?: number;
  /** The order that conflicts with the request. */
  orderId?: string;
  /** Confirms a binding that needs a decision. */
  confirmationToken?: string;
}

/**
 * A refusal that clients see unchanged. Anything else that is thrown is a bug or an outage, and is
 * masked.
 */
export class DomainError extends Error {
  /** Part of the public API: a member of the ErrorCode enum. */
  readonly code: string;
  readonly details: ErrorDetails;
  readonly retryable: boolean;
  readonly status: number;

  constructor(
    code: string,
    { message, retryable = false, status = 400 }: Refusal,
    details: ErrorDetails = {},
  ) {
    super(message);
    this.name = 'DomainError';
    this.code = code;
    this.details = details;
    this.retryable = retryable;
    this.status = status;
  }
}

/**
 * Makes an error class whose codes are the keys of the table, so an unknown code does not compile.
 *
 * @param name of the class, as stack traces and logs show it
 */
export function defineErrors<const Code extends string>(name: string, table: Record<Code, Refusal>) {
  return class extends DomainError {
    static readonly table: Record<Code, Refusal> = table;
    declare readonly code: Code;

    /** @param details may replace the sentence of the table by a more specific one */
    constructor(code: Code, { message, ...details }: ErrorDetails & { message?: string } = {}) {
      super(code, { ...table[code], ...(message !== undefined && { message }) }, details);
      this.name = name;
    }
  };
}

/** Refusals that any part of the service may give. */
export const PlatformError = defineErrors('PlatformError', {
  UNAUTHENTICATED: { message: 'Sign in first: the request has no valid access token.' },
  FORBIDDEN: { message: 'Your account is not allowed to do this.' },
  NOT_FOUND: { message: 'Nothing with this id exists, or it belongs to another account.' },
  BAD_USER_INPUT: { message: 'The input is invalid.' },
  RATE_LIMITED: { message: 'Too many attempts. Try again later.', retryable: true, status: 429 },
  SERVICE_UNAVAILABLE: {
    message: 'The service is temporarily unavailable. Try again.',
    retryable: true,
    status: 503,
  },
  INTERNAL_SERVER_ERROR: {
    message: 'Something went wrong on our side. It has been logged under the request id.',
    status: 500,
  },
  GRAPHQL_PARSE_FAILED: { message: 'The document is not valid GraphQL.' },
  GRAPHQL_VALIDATION_FAILED: { message: 'The document does not match the schema.' },
  OPERATION_RESOLUTION_FAILURE: { message: 'The document has no operation of that name.' },
  OPERATION_TOO_COMPLEX: { message: 'The operation asks for too much at once.' },
  EDIT_CONFLICT: {
    message: 'This was changed by someone else. Read it again, then repeat your change.',
    retryable: true,
  },
  STILL_IN_USE: { message: 'Something else still depends on this.' },
});
