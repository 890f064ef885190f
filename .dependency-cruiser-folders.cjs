const { options } = require('./.dependency-cruiser.cjs');

/**
 * Folders do not import each other in a cycle; type imports count. Exempt are resolvers and types,
 * because GraphQL types refer to each other by nature, and the top-level files of src and
 * src/platform, which connect the folders below them.
 */
module.exports = {
  forbidden: [
    {
      name: 'no-folder-cycles',
      severity: 'error',
      scope: 'folder',
      from: { path: '^src/' },
      to: { circular: true },
    },
  ],
  options: {
    ...options,
    exclude: {
      path: [
        '^src/generated',
        '^src/playground',
        '\\.(resolver|admin-resolver|types)\\.ts$',
        '^src/[^/]+\\.ts$',
        '^src/platform/[^/]+\\.ts$',
      ],
    },
  },
};
