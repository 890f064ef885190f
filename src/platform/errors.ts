/** Properties that all errors with the same code share. */
interface ErrorProperties {
  /** Shown to users. */
  message: string;
  /** True if the same request may succeed later. Default false. */
  retryable?: boolean;
  /** True if a wrong clock of the client may be the reason: the error contains our time. */
  hasTime?: boolean;
  /** HTTP status if the request is rejected before execution; afterwards it is 200. Default 400. */
  status?: number;
}

export interface InvalidField {
  /** Dotted path: `input.code`. */
  path: string;
  /** Shown to users. */
  message: string;
}

/** Details of an error, in addition to its code and message. */
export interface ErrorDetails {
  /** The invalid argument or input field, as a dotted path: `input.code`. */
  field?: string;
  /** All invalid arguments and input fields, at most 20; `field` is the first of them. */
  fields?: InvalidField[];
  /** Seconds until a retry can succeed. */
  retryAfterSeconds?: number;
  /** Our time, in ISO 8601, if a wrong clock of the client may be the reason. */
  serverTime?: string;
  /** The order that conflicts with the request. */
  orderId?: string;
  /** Confirms a binding that needs a decision. */
  confirmationToken?: string;
}

/** An error that clients see unchanged. All other errors are bugs or outages, and are masked. */
export class DomainError extends Error {
  /** Part of the public API: a member of the ErrorCode enum. */
  readonly code: string;
  readonly details: ErrorDetails;
  readonly retryable: boolean;
  readonly status: number;

  constructor(
    code: string,
    { message, retryable = false, hasTime = false, status = 400 }: ErrorProperties,
    details: ErrorDetails = {},
  ) {
    super(message);
    this.name = 'DomainError';
    this.code = code;
    this.details = hasTime ? { serverTime: new Date().toISOString(), ...details } : details;
    this.retryable = retryable;
    this.status = status;
  }
}

/**
 * Defines an error class whose codes are the keys of the table, so that an unknown code does not
 * compile.
 *
 * @param name class name for stack traces and logs
 */
export function defineErrors<const Code extends string>(name: string, table: Record<Code, ErrorProperties>) {
  return class extends DomainError {
    static readonly table: Record<Code, ErrorProperties> = table;
    declare readonly code: Code;

    /** @param details may override the message of the table with a more specific one */
    constructor(code: Code, { message, ...details }: ErrorDetails & { message?: string } = {}) {
      super(code, { ...table[code], ...(message !== undefined && { message }) }, details);
      this.name = name;
    }
  };
}

/** Errors that any part of the service may return. */
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
  OPERATION_TOO_COMPLEX: { message: 'The operation is too complex.' },
  EDIT_CONFLICT: {
    message: 'This was changed by someone else. Read it again, then repeat your change.',
  },
  STILL_IN_USE: { message: 'This is still in use.' },
});
