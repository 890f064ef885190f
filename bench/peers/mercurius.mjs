import { readFileSync } from 'node:fs';
import Fastify from 'fastify';
import { GraphQLScalarType } from 'graphql';
import { Redis } from 'ioredis';
import { importJWK, jwtVerify } from 'jose';
import mercurius from 'mercurius';
import pg from 'pg';
import { openCode } from '../../dist/src/modules/redemption/code/code-vault.js';
import { displayCode } from '../../dist/src/modules/redemption/code/redemption-code.js';
import { createSecrets } from '../../dist/src/platform/keys/secrets.js';
import { listCursors } from '../../dist/src/platform/pagination/cursor.js';
import { STATEMENTS } from './statements.mjs';

// The peer of `bench/reads.mjs`: mercurius with JIT, one hand-written prepared statement per query,
// and as authentication the signature of each token and the session in Redis. It has none of the
// product's limits. Cursors and codes come from the product's own functions, as their formats do.

const SESSION_SECONDS = 300;
/** As many as the product has. */
const POOL_SIZE = 10;

const { DATABASE_URL, REDIS_URL, SECRET_KEY } = process.env;
const secrets = createSecrets({ secretKey: SECRET_KEY });
const cursorsOf = {
  orders: listCursors(secrets, 'orders id desc'),
  redemptionCodes: listCursors(secrets, 'redemptionCodes id desc'),
};
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: POOL_SIZE });
const redis = new Redis(REDIS_URL, { enableAutoPipelining: true });

const query = async (name, values) => (await pool.query({ name, text: STATEMENTS[name], values })).rows;

async function authenticate({ headers: { authorization } }, key) {
  if (!authorization) return null;
  const { payload } = await jwtVerify(authorization.slice('Bearer '.length), key, {
    ...{ algorithms: [key.algorithm?.name === 'Ed25519' ? 'EdDSA' : 'ES256'], typ: 'at+jwt' },
    ...{ issuer: 'tessera', audience: 'tessera', requiredClaims: ['sub', 'sid', 'iat', 'exp'] },
  });
  const cached = await redis.get(`peer-session:${payload.sid}`);
  if (cached) return JSON.parse(cached);
  const [session] = await query('session', [payload.sid]);
  if (session) await redis.set(`peer-session:${payload.sid}`, JSON.stringify(session), 'EX', SESSION_SECONDS);
  return session ?? null;
}

function signedIn({ caller }) {
  if (!caller) throw new Error('UNAUTHENTICATED');
  return caller;
}

function adminOf(context) {
  if (signedIn(context).role !== 'ADMIN') throw new Error('FORBIDDEN');
}

/** @param rows one more than the page if there is a next one */
function page(list, rows, size) {
  const nodes = rows.slice(0, size);
  const cursor = (node) => (node ? cursorsOf[list].write({ id: node.id }) : null);
  return {
    nodes,
    pageInfo: {
      hasNextPage: rows.length > size,
      hasPreviousPage: false,
      startCursor: cursor(nodes[0]),
      endCursor: cursor(nodes.at(-1)),
    },
  };
}

const selects = ({ fieldNodes }, name) =>
  fieldNodes[0].selectionSet.selections.some((field) => field.name?.value === name);

const scalar = (name, serialize) => new GraphQLScalarType({ name, serialize });

const resolvers = {
  DateTime: scalar('DateTime', (time) => (time instanceof Date ? time.toISOString() : time)),
  BigInt: scalar('BigInt', String),
  JSON: scalar('JSON', (value) => value),
  ClientConfig: { resolveType: ({ __typename }) => __typename },
  Query: {
    globalConfig: async () => (await query('globalConfig', []))[0],
    viewer: async (_root, _args, context, info) => {
      const { userId } = signedIn(context);
      return selects(info, 'subscriptions') ? (await query('viewer', [userId]))[0] : { id: userId };
    },
    order: async (_root, { id }, context) => {
      const { userId, role } = signedIn(context);
      return (await query('order', [id, userId, role === 'ADMIN']))[0] ?? null;
    },
    orders: async (_root, { first }, context) => {
      adminOf(context);
      return page('orders', await query('allOrders', [first + 1]), first);
    },
    redemptionCodes: async (_root, { first }, context) => {
      adminOf(context);
      return page('redemptionCodes', await query('codes', [first + 1]), first);
    },
  },
  User: {
    orders: async ({ id, orders }, { first }) =>
      orders ?? page('orders', await query('userOrders', [id, first + 1]), first),
  },
  RedemptionCode: { code: (row) => displayCode(openCode({ secrets }, row)) },
};

const [row] = (
  await pool.query("SELECT public_jwk FROM key_pairs WHERE purpose = 'SIGNING' AND status = 'CURRENT'")
).rows;
const key = await importJWK(row.public_jwk, row.public_jwk.crv === 'Ed25519' ? 'EdDSA' : 'ES256');
const app = Fastify();
await app.register(mercurius, {
  schema: readFileSync('schema.graphql', 'utf8'),
  ...{ resolvers, jit: 1, graphiql: false },
  context: async (request) => ({ caller: await authenticate(request, key) }),
});
const url = await app.listen({ host: '127.0.0.1', port: 0 });
process.stdout.write(`Peer is ready. ${url}/\n`);

process.once('SIGTERM', async () => {
  await app.close();
  redis.disconnect();
  await pool.end();
});
