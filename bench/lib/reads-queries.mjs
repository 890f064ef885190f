const NODES = `id nodeId name protocol address port tags online credential
  clientConfig { __typename ... on VlessConfig { security serverName publicKey shortId } }`;
const VIEWER = `{ viewer { id role devices { totalCount nodes { id name } }
  subscriptions { id status expiresAt plan { id name } nodes { ${NODES} } } } }`;
const ORDER_FIELDS = `id orderNo status createdAt finishedAt plan { id name }`;
const USER_ORDER = `${ORDER_FIELDS} subscription { id status expiresAt }`;
const PAGE = 'pageInfo { hasNextPage endCursor }';

/**
 * The queries by name. `users` are whose tokens the requests carry: of a size of account, `one` or
 * `many` of them in turn, or the admin's. `variables` takes the place of the user and of the
 * request among the user's.
 */
export const QUERIES = {
  globalConfig: { query: '{ globalConfig { name description } }', of: 'small', users: 'one' },
  'viewer-small': { query: VIEWER, of: 'small', users: 'one', title: 'viewer, 1 subscription x 10 nodes' },
  'viewer-small-many': { query: VIEWER, of: 'small', users: 'many', title: 'viewer, 1 x 10, many users' },
  'viewer-medium': { query: VIEWER, of: 'medium', users: 'one', title: 'viewer, 1 x 50' },
  'viewer-large': { query: VIEWER, of: 'large', users: 'one', title: 'viewer, 3 x 50' },
  'viewer-large-many': { query: VIEWER, of: 'large', users: 'many', title: 'viewer, 3 x 50, many users' },
  'viewer-orders': {
    query: `{ viewer { orders(first: 20) { nodes { ${USER_ORDER} } ${PAGE} } } }`,
    ...{ of: 'small', users: 'many', title: 'viewer.orders(first: 20), many users' },
  },
  order: {
    query: `query Order($id: ID!) { order(id: $id) { ${USER_ORDER} } }`,
    ...{ of: 'small', users: 'many', title: 'order(id), many users' },
    variables: (world, user, at) => ({ id: world.orderIds[user][at % world.orderIds[user].length] }),
  },
  'admin-orders': {
    query: `{ orders(first: 50) { nodes { ${ORDER_FIELDS} user { id email } } ${PAGE} } }`,
    ...{ of: 'admin', users: 'one', title: 'admin: orders(first: 50) with users' },
  },
  'admin-codes': {
    query: `{ redemptionCodes(first: 100) { nodes { id code enabled maxUses usedCount reservedCount expiresAt
      createdAt note plan { id name } batch { id label } } ${PAGE} } }`,
    ...{ of: 'admin', users: 'one', title: 'admin: redemptionCodes(first: 100)' },
  },
};
