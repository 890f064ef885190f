const { options } = require('./.dependency-cruiser.cjs');

/**
 * No two folders import each other, directly or by way of others; type imports count. Resolvers and types are left out:
 * GraphQL types refer to each other by nature. So are the files at the top of src and of src/platform, which tie the
 * folders below them together.
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
