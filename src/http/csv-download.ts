import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Config } from '../config.ts';
import { CSV_PATH, spendCsvToken } from '../modules/redemption/batch/csv-link.ts';
import { exportCodes } from '../modules/redemption/batch/export-codes.ts';
import { PlatformError } from '../platform/errors.ts';
import { LIMITS } from '../platform/graphql/limits.ts';
import { maskError } from '../platform/graphql/mask-error.ts';
import { BYTE_ORDER_MARK } from '../platform/http/csv.ts';
import { inRequestScope } from '../platform/request-scope.ts';
import type { Services } from '../platform/services.ts';
import { scopeOf } from './scope-of.ts';

/**
 * Buffered bytes per download, so a client that reads slowly does not pull the whole file into
 * memory.
 */
const CHUNK_BYTES = 64 * 1024;

/**
 * Serves the links of `RedemptionBatch.csvUrl`: the codes of a batch as CSV. A link works once.
 * Expired, used and unknown links get the same response.
 *
 * @returns a function that aborts the downloads in progress; clients see that the file is
 *   incomplete
 */
export function serveCsv(
  app: FastifyInstance,
  { services, config }: { services: Services; config: Config },
): () => void {
  const downloads = new Set<Readable>();
  let open = 0;
  app.route<{ Params: { token: string }; Querystring: { bom?: string } }>({
    method: 'GET',
    url: `${CSV_PATH}:token`,
    // A HEAD request would consume the link.
    exposeHeadRoute: false,
    handler: (request, reply) =>
      inRequestScope(scopeOf(request, config), async () => {
        reply.header('cache-control', 'no-store');
        // Before the link is spent, so that it can be used later.
        if (open >= LIMITS.csvDownloads) throw new PlatformError('SERVICE_UNAVAILABLE', BUSY);
        open += 1;
        reply.raw.once('close', () => {
          open -= 1;
        });
        reply.raw.setTimeout(LIMITS.csvStallMs, () => reply.raw.destroy());
        const batch = await spendCsvToken(services, request.params.token);
        if (!batch) return reply.code(404).send({ errors: [maskError(invalidLink(), services.log)] });
        const beginning = request.query.bom === '1' ? BYTE_ORDER_MARK : '';
        const file = Readable.from(withBeginning(beginning, exportCodes(services, batch)), {
          objectMode: false,
          highWaterMark: CHUNK_BYTES,
        });
        downloads.add(file);
        file.once('close', () => downloads.delete(file));
        return reply
          .header('content-disposition', `attachment; filename="codes-${batch.id}.csv"`)
          .type('text/csv; charset=utf-8; header=present')
          .send(file);
      }),
  });
  return () => {
    for (const file of downloads) file.destroy(new Error('the server is shutting down'));
  };
}

async function* withBeginning(
  beginning: string,
  rest: AsyncIterable<string>,
): AsyncGenerator<string, void, void> {
  if (beginning) yield beginning;
  yield* rest;
}

const BUSY = { message: 'Too many downloads at the same time. Try again shortly.', retryAfterSeconds: 5 };

const invalidLink = () =>
  new PlatformError('NOT_FOUND', {
    message: 'This link has expired or was already used. Request a new one.',
  });
