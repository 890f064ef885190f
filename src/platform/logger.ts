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

/** Writes JSON lines to standard error, each with the id of the request it belongs to. */
export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: null,
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
    pino.destination({ dest: 2, sync: true }),
  );
}
