import { type Logger as PinoLogger, pino } from 'pino';
import { requestScope } from './request-scope.ts';

export type Logger = PinoLogger;

/** Names under which secrets travel. Nothing logs bodies or variables; this is the second fence. */
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

/** What waits to be written when there is no room for it; more is dropped. */
const MOST_WAITING_BYTES = 2 ** 20;
const STANDARD_ERROR = 2;

/**
 * Writes JSON lines to standard error, each with the id of the request it belongs to. What cannot be written, as when the
 * disk is full, is written later or not at all: nobody's request fails for it.
 */
export function createLogger(level: string, fileDescriptor = STANDARD_ERROR): Logger {
  const destination = pino.destination({
    dest: fileDescriptor,
    sync: true,
    maxLength: MOST_WAITING_BYTES,
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
        const requestId = requestScope()?.requestId;
        return requestId ? { requestId } : {};
      },
    },
    destination,
  );
}

/** PostgreSQL's errors carry the whole connection with them, with its secrets. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { client: _, ...told } = pino.stdSerializers.err(error);
  return told;
}
