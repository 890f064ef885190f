import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../config.ts';
import type { Shared } from '../context.ts';
import type { SiteSettings } from '../generated/prisma/client.ts';
import { admitHardware } from '../modules/lifecycle/binding/admit-hardware.ts';
import type { LinkFormat } from '../modules/network/links/link-format.ts';
import { formatFor, formatNamed, LINK_FORMATS } from '../modules/network/links/link-formats.ts';
import { LINK_PATH } from '../modules/network/links/link-path.ts';
import {
  createFindLink,
  createLinkDocuments,
  type FindLink,
  type LinkedSubscription,
} from '../modules/network/links/read-link.ts';
import { limitFailedAttempts } from '../modules/network/server/limit-failed-attempts.ts';
import { PlatformError } from '../platform/errors.ts';
import { REVALIDATE, sendUnchanged } from '../platform/http/conditional-get.ts';
import type { RateLimit } from '../platform/redis/rate-limit.ts';
import { inRequestScope } from '../platform/request-scope.ts';
import type { Services } from '../platform/services.ts';
import { declaredHardware, describeAccess, HARDWARE_NOTICES } from './declared-hardware.ts';
import { createRequestLimit } from './request-limit.ts';
import { scopeOf } from './scope-of.ts';

/** The path that clients of other panels have stored. */
const V2BOARD_PATH = '/api/v1/client/subscribe';

/** Tokens have 192 random bits: this only keeps strangers from costing statements. */
const FAILED_LINKS: RateLimit = { name: 'failed-link', points: 30, durationSeconds: 600 };

const UPDATE_HOURS = 6;

interface LinkQuery {
  format?: string | string[];
  /** In the path of other panels. */
  token?: string | string[];
}

/**
 * Serves the links that clients subscribe to: the nodes of a subscription in the format of the
 * client. Unknown, malformed and rotated tokens get the same response.
 */
export function serveSubscriptionLinks(
  app: FastifyInstance,
  { services, config, shared }: { services: Services; config: Config; shared: Shared },
): void {
  const documents = createLinkDocuments(shared);
  const findLink = createFindLink(services);
  const limit = createRequestLimit();
  const answer = async (request: FastifyRequest, reply: FastifyReply, token: string) => {
    const { format: wanted } = request.query as LinkQuery;
    reply.header('cache-control', REVALIDATE).header('vary', 'user-agent');
    const link = await find({ services, shared, findLink }, token);
    if (!link) return reply.code(404).type('text/plain').send('Not found.\n');
    const format = wanted === undefined ? formatFor(userAgentOf(request)) : formatNamed(String(wanted));
    if (!format) return reply.code(400).type('text/plain').send(unknownFormat());
    const site = await shared.recentSiteSettings();
    const seen = await forDevice({ services, site, request, reply }, link);
    const document = await documents(seen, { format, site });
    describe(reply, seen, format, site.name);
    if (document.leftOut > 0) reply.header('x-nodes-left-out', document.leftOut);
    if (sendUnchanged(request, reply, document.etag)) return reply;
    return reply.type(format.contentType).send(document.text());
  };
  app.get<{ Params: { token: string } }>(`${LINK_PATH}:token`, (request, reply) =>
    limit(() => inRequestScope(scopeOf(request, config), () => answer(request, reply, request.params.token))),
  );
  app.get(V2BOARD_PATH, (request, reply) =>
    limit(() =>
      inRequestScope(scopeOf(request, config), () =>
        answer(request, reply, String((request.query as LinkQuery).token ?? '')),
      ),
    ),
  );
}

/** A device that may not use the link gets the reason instead of nodes. */
async function forDevice(
  {
    services,
    site,
    request,
    reply,
  }: { services: Services; site: SiteSettings; request: FastifyRequest; reply: FastifyReply },
  link: LinkedSubscription,
): Promise<LinkedSubscription> {
  if (site.hardwareIds === 'OFF' || link.notice !== null) return link;
  const { userId } = link.subscription;
  const access = await admitHardware(services, { userId, site, hardware: declaredHardware(request) });
  describeAccess(reply, access);
  return access === 'ADMITTED' ? link : { ...link, notice: HARDWARE_NOTICES[access] };
}

/** @throws PlatformError RATE_LIMITED */
async function find(
  { services, shared, findLink }: { services: Services; shared: Shared; findLink: FindLink },
  token: string,
): Promise<LinkedSubscription | null> {
  const limit = { limit: FAILED_LINKS, refusal: 'NOT_FOUND' };
  return limitFailedAttempts({ ...services, ...shared }, limit, async () => {
    const link = await findLink(token);
    if (!link) throw new PlatformError('NOT_FOUND');
    return link;
  }).catch((error: unknown) => {
    if (error instanceof PlatformError && error.code === 'NOT_FOUND') return null;
    throw error;
  });
}

/** Long ones are not searched to their end. */
const userAgentOf = ({ headers }: FastifyRequest) => (headers['user-agent'] ?? '').slice(0, 512);

const unknownFormat = () =>
  `Unknown format. There are: ${LINK_FORMATS.map(({ name }) => name).join(', ')}.\n`;

/** The headers in which clients show the state of a subscription. */
function describe(
  reply: FastifyReply,
  { subscription, notice }: LinkedSubscription,
  { extension }: LinkFormat,
  site: string,
): void {
  const { upload, download, trafficLimit, expiresAt, plan } = subscription;
  const info = [
    ...[`upload=${upload}`, `download=${download}`],
    ...(trafficLimit === null ? [] : [`total=${trafficLimit}`]),
    ...(expiresAt === null ? [] : [`expire=${Math.floor(expiresAt.getTime() / 1_000)}`]),
  ];
  const title = `${site} ${plan.name}`;
  reply
    .header('subscription-userinfo', info.join('; '))
    .header('profile-update-interval', UPDATE_HOURS)
    .header('profile-title', `base64:${base64(title)}`)
    .header('content-disposition', `attachment; filename*=UTF-8''${encodeHeader(`${title}.${extension}`)}`);
  if (notice !== null)
    reply.header('announce', `base64:${base64(notice)}`).header('x-status', subscription.status);
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

/** RFC 5987: more than `encodeURIComponent` encodes. */
const encodeHeader = (text: string) =>
  encodeURIComponent(text).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
