import { type Logger as PinoLogger, pino } from 'pino';
import { requestScope } from './request-scope.ts';
import { currentTraceId } from './telemetry/tracing.ts';

export type Logger = PinoLogger;

/**
 * Field names that may hold secrets. Bodies and variables are never logged; this is a second
 * safeguard.
 */
const SECRET_NAMES = [
  'authorization',
  'password',
  'secret',
  'identifier',
  'proof',
  'refreshToken',
  'accessToken',
  'input',
];

/** Log lines that can't be written are buffered up to this size, and dropped beyond it. */
const MAX_BUFFERED_BYTES = 2 ** 20;
const STANDARD_ERROR = 2;

/**
 * Writes JSON lines to standard error, each with the request id and log fields of the current
 * request scope. A failed write (a full disk, for example) never fails a request: the line is
 * written later or dropped.
 */
export function createLogger(level: string, fileDescriptor = STANDARD_ERROR): Logger {
  const destination = pino.destination({
    dest: fileDescriptor,
    sync: true,
    maxLength: MAX_BUFFERED_BYTES,
  });
  destination.on('error', () => {});
  return pino(
    {
      level,
      base: null,
      serializers: { err: serializeError },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: SECRET_NAMES.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
        censor: '[secret]',
      },
      mixin: () => {
        const scope = requestScope();
        const traceId = currentTraceId();
        return {
          ...(scope?.requestId && { requestId: scope.requestId }),
          ...(traceId && { traceId }),
          ...scope?.logFields,
        };
      },
    },
    destination,
  );
}

/**
 * Errors of PostgreSQL refer to the whole client, including its credentials. Non-Errors are logged
 * verbatim.
 */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { client: _, ...serialized } = pino.stdSerializers.err(error);
  return serialized;
}
