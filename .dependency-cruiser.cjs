/** The arrows of docs/ARCHITECTURE.md, as rules. */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'platform-knows-no-module',
      comment: 'The platform knows no word of the glossary.',
      severity: 'error',
      from: { path: '^src/platform' },
      to: { path: ['^src/modules', '^src/http/', '^src/cli/', '^src/[^/]+\\.ts$'] },
    },
    {
      name: 'graphql-only-at-the-doors',
      comment: 'Verbs and rules do not know that they are called through GraphQL.',
      severity: 'error',
      from: {
        path: '^src/modules',
        pathNot: '\\.(resolver|admin-resolver|types)\\.ts$|^src/modules/kernel/access\\.ts$',
      },
      to: { path: ['^node_modules/(graphql|type-graphql|graphql-ws|@apollo)/', '^src/platform/graphql/'] },
    },
    {
      name: 'nobody-imports-a-resolver',
      severity: 'error',
      from: { path: '^src/modules' },
      to: { path: '\\.(resolver|admin-resolver)\\.ts$' },
    },
    {
      name: 'the-playground-stands-alone',
      comment: 'It runs in a browser, and talks to the server as anybody would.',
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
      name: 'only-platform-connects',
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
