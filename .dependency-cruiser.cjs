/**
 * The import rules of docs/ARCHITECTURE.md. .dependency-cruiser-folders.cjs has the rule on cycles
 * between folders.
 */

/**
 * The folders of src/modules, lowest first: a folder imports only from itself and from folders
 * before it in this list.
 */
const ORDER = [
  'kernel',
  'subscription',
  'network',
  'network/protocols',
  'network/node-list',
  'network/links',
  'network/server',
  'network/node',
  'network/agent',
  'network/online',
  'network/traffic',
  'network/uniproxy',
  'network/ppanel',
  'catalog/plan',
  'catalog/site',
  'catalog/ad',
  'redemption/code',
  'redemption/batch',
  'redemption/order',
  'redemption/accept',
  'redemption/activate',
  'identity/credentials',
  'identity/history',
  'identity/session',
  'identity/presence',
  'identity/device-proof',
  'identity/device',
  'lifecycle/account',
  'lifecycle/binding',
  'lifecycle/login',
  'lifecycle/privacy',
  'lifecycle/admin',
  'operations/retention',
  'operations/statistics',
  'operations/audit',
  'operations/secret-rotation',
];

const RING = '\\.(resolver|admin-resolver|types)\\.ts$';
const filesOf = (folder) => `^src/modules/${folder}/[^/]+$`;

const moduleOrder = ORDER.slice(0, -1).map((folder, place) => ({
  name: `order-of-contexts: ${folder}`,
  comment: 'A context imports only from those before it. GraphQL types and resolvers are an outer ring.',
  severity: 'error',
  from: { path: filesOf(folder), pathNot: RING },
  to: { path: ORDER.slice(place + 1).map(filesOf) },
}));

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...moduleOrder,
    {
      name: 'every-folder-has-a-place',
      comment: 'A new folder of src/modules is added to ORDER.',
      severity: 'error',
      from: {},
      to: { path: '^src/modules/', pathNot: ORDER.map(filesOf) },
    },
    {
      name: 'graphql-is-the-outer-ring',
      comment: 'Only resolvers, types and what assembles the schema import resolvers and types.',
      severity: 'error',
      from: { path: '^src/', pathNot: [RING, '^src/schema\\.ts$'] },
      to: { path: `^src/modules/.*${RING}` },
    },
    {
      name: 'graphql-only-in-the-ring',
      comment: 'Verbs and rules do not depend on GraphQL.',
      severity: 'error',
      from: { path: '^src/modules', pathNot: [RING, '^src/modules/kernel/access\\.ts$'] },
      to: { path: ['^node_modules/(graphql|type-graphql|graphql-ws|@apollo)/', '^src/platform/graphql/'] },
    },
    {
      name: 'modules-stand-below-the-process',
      comment: 'Only resolvers use the context that the process creates for them.',
      severity: 'error',
      from: { path: '^src/modules', pathNot: [RING, '^src/modules/kernel/access\\.ts$'] },
      to: { path: ['^src/[^/]+\\.ts$', '^src/http/', '^src/cli/'] },
    },
    {
      name: 'platform-imports-no-module',
      severity: 'error',
      from: { path: '^src/platform' },
      to: { path: ['^src/modules', '^src/http/', '^src/cli/', '^src/[^/]+\\.ts$'] },
    },
    {
      name: 'the-playground-stands-alone',
      comment: 'It runs in a browser, and uses the public API like any client.',
      severity: 'error',
      from: { path: '^src/playground/' },
      to: { path: '^src/', pathNot: '^src/playground/' },
    },
    {
      name: 'nobody-imports-the-playground',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/playground/' },
      to: { path: '^src/playground/' },
    },
    {
      name: 'only-the-platform-connects',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/platform' },
      to: { path: '^node_modules/(ioredis|bull|pg|@prisma/adapter-pg|@prisma/schema-engine-wasm)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^src/generated' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default'],
    },
  },
};
