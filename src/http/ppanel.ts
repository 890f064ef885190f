import type { FastifyInstance, FastifyRequest } from 'fastify';
import { toAlive, toPush, toStatus } from '../modules/network/ppanel/program-bodies.ts';
import {
  programForProtocol,
  readPanelNode,
  readPanelServer,
} from '../modules/network/ppanel/server-config.ts';
import {
  reportProgramOnline,
  reportProgramStatus,
  reportProgramTraffic,
} from '../modules/network/uniproxy/program-reports.ts';
import { readProgramUsers } from '../modules/network/uniproxy/program-users.ts';
import { PlatformError } from '../platform/errors.ts';
import { etagOf } from '../platform/http/conditional-get.ts';
import { answerTagged, createProgramRoutes, type ProgramSettings } from './program-routes.ts';

const PATH = '/v1/server';

type Query = Partial<Record<'secret_key' | 'server_id' | 'protocol', string | string[]>>;

/** The envelope of PPanel's responses. */
const done = (data: unknown = null) => ({ code: 200, msg: 'success', data });

/**
 * Serves PPanel's node program. It names a server by the number of one of its nodes, and the node
 * by its protocol. The token of the server is in the query, so URLs must not be logged.
 */
export function servePpanel(app: FastifyInstance, settings: ProgramSettings): void {
  const { services, shared } = settings;
  const context = { ...services, ...shared };
  const routeServer = createProgramRoutes(app, settings, (request) => findServer(settings, request));
  routeServer('GET', '/v2/server/:number', async (program, request, reply) => {
    const body = done(await readPanelServer(services, program));
    return answerTagged(request, reply, { etag: etagOf(JSON.stringify(body)), body });
  });
  const route = createProgramRoutes(app, settings, async (request) => {
    const program = await findServer(settings, request);
    const { protocol = '' } = request.query as Query;
    return program && programForProtocol(services, program, String(protocol));
  });
  route('GET', `${PATH}/config`, async (program, request, reply) => {
    const body = await readPanelNode(services, program);
    if (!body) throw new PlatformError('SERVICE_UNAVAILABLE');
    return answerTagged(request, reply, { etag: etagOf(JSON.stringify(body)), body });
  });
  route('GET', `${PATH}/user`, async (program, request, reply) => {
    const found = await readProgramUsers(context, program, request.headers['if-none-match']);
    return answerTagged(request, reply, { etag: found.etag, body: { users: found.users } });
  });
  route('POST', `${PATH}/push`, async (program, { body }, reply) => {
    const { refused } = await reportProgramTraffic(context, program, toPush(body));
    if (refused > 0) reply.header('x-refused-users', refused);
    return done();
  });
  route('POST', `${PATH}/online`, async (program, { body }) => {
    await reportProgramOnline(context, program, toAlive(body));
    return done();
  });
  route('POST', `${PATH}/status`, async (program, { body }) => {
    await reportProgramStatus(context, program, toStatus(body));
    return done();
  });
}

function findServer({ programs }: ProgramSettings, { query, params }: FastifyRequest) {
  const { secret_key: token = '', server_id: id = '' } = query as Query;
  const { number } = params as { number?: string };
  return programs({ token: String(token), nodeNumber: number ?? String(id) });
}
