import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { pack } from 'msgpackr';
import { createAliveCounts } from '../modules/network/uniproxy/alive-counts.ts';
import { programConfig } from '../modules/network/uniproxy/program-config.ts';
import {
  reportProgramOnline,
  reportProgramStatus,
  reportProgramTraffic,
} from '../modules/network/uniproxy/program-reports.ts';
import { type ProgramUsers, readProgramUsers } from '../modules/network/uniproxy/program-users.ts';
import { PlatformError } from '../platform/errors.ts';
import { etagOf } from '../platform/http/conditional-get.ts';
import { answerTagged, createProgramRoutes, type ProgramSettings } from './program-routes.ts';

const PATH = '/api/v1/server/UniProxy';

type Query = Partial<Record<'token' | 'node_id', string | string[]>>;

/**
 * Serves the programs that run nodes for panels of the V2board family: V2bX, XrayR and others. The
 * token of the server is in the query, so URLs must not be logged.
 */
export function serveUniProxy(app: FastifyInstance, settings: ProgramSettings): void {
  const { services, shared, programs } = settings;
  const context = { ...services, ...shared };
  const route = createProgramRoutes(app, settings, ({ query }) => {
    const { token = '', node_id: nodeNumber = '' } = query as Query;
    return programs({ token: String(token), nodeNumber: String(nodeNumber) });
  });
  route('GET', `${PATH}/config`, async (program, request, reply) => {
    const found = await programConfig(services, program);
    if (!found) throw new PlatformError('SERVICE_UNAVAILABLE');
    return answerTagged(request, reply, { etag: etagOf(JSON.stringify(found)), body: found });
  });
  route('GET', `${PATH}/user`, async (program, request, reply) => {
    const found = await readProgramUsers(context, program, request.headers['if-none-match']);
    return answerUsers(request, reply, found);
  });
  const aliveCounts = createAliveCounts(services);
  route('GET', `${PATH}/alivelist`, async () => ({ alive: await aliveCounts() }));
  route('POST', `${PATH}/push`, async (program, request, reply) => {
    const { refused } = await reportProgramTraffic(context, program, request.body);
    if (refused > 0) reply.header('x-refused-users', refused);
    return { data: true };
  });
  route('POST', `${PATH}/alive`, async (program, { body }) => {
    await reportProgramOnline(context, program, body);
    return { data: true };
  });
  route('POST', `${PATH}/status`, async (program, { body }) => {
    await reportProgramStatus(context, program, body);
    return { data: true };
  });
}

/** V2bX asks for MessagePack, which is a third smaller. */
function answerUsers(
  request: FastifyRequest,
  reply: FastifyReply,
  { etag, users }: ProgramUsers,
): FastifyReply {
  reply.header('vary', 'x-response-format');
  const isPacked = request.headers['x-response-format'] === 'msgpack';
  if (!isPacked || users === null) return answerTagged(request, reply, { etag, body: { users } });
  reply.type('application/x-msgpack');
  return answerTagged(request, reply, { etag, body: pack({ users }) });
}
