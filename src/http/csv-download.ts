import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Config } from '../config.ts';
import { CSV_PATH, spendCsvToken } from '../modules/redemption/batch/csv-link.ts';
import { exportCodes } from '../modules/redemption/batch/export-codes.ts';
import { PlatformError } from '../platform/errors.ts';
import { maskError } from '../platform/graphql/mask-error.ts';
import { inRequestScope } from '../platform/request-scope.ts';
import type { Services } from '../platform/services.ts';
import { scopeOf } from './scope-of.ts';

/** Takes a file apart into pieces no larger than this; a client that does not read holds up one of them. */
const PIECE_BYTES = 64 * 1024;

/**
 * Answers the links of `RedemptionBatch.csvUrl` with the codes as CSV, each once. What is wrong with a link that is
 * refused is not told.
 *
 * @returns cuts off the downloads under way: whoever is cut off sees that the file is not whole, and asks for a new link
 */
export function serveCsv(
  app: FastifyInstance,
  { services, config }: { services: Services; config: Config },
): () => void {
  const underWay = new Set<Readable>();
  app.route<{ Params: { token: string } }>({
    method: 'GET',
    url: `${CSV_PATH}:token`,
    // HEAD would use the link up.
    exposeHeadRoute: false,
    handler: (request, reply) =>
      inRequestScope(scopeOf(request, config), async () => {
        reply.header('cache-control', 'no-store');
        const batch = await spendCsvToken(services, request.params.token);
        if (!batch) return reply.code(404).send({ errors: [maskError(usedUp(), services.log)] });
        const file = Readable.from(exportCodes(services, batch), {
          objectMode: false,
          highWaterMark: PIECE_BYTES,
        });
        underWay.add(file);
        file.once('close', () => underWay.delete(file));
        return reply
          .header('content-disposition', `attachment; filename="codes-${batch.id}.csv"`)
          .type('text/csv; charset=utf-8; header=present')
          .send(file);
      }),
  });
  return () => {
    for (const file of underWay) file.destroy(new Error('the server stops'));
  };
}

const usedUp = () =>
  new PlatformError('NOT_FOUND', { message: 'This link was used, or is too old. Ask for a new one.' });
