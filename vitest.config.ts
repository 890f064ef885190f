import { createRequire } from 'node:module';
import { defineConfig } from 'vitest/config';
import { WORKERS } from './test/support/workers.ts';

const require = createRequire(import.meta.url);

/** Start whole services, kill them and check deadlines, so they run one at a time. */
const ALONE = ['journeys/*', 'faults/*', 'attack/*', 'cli/*', 'platform/embedded'].map(
  (name) => `test/${name}.test.ts`,
);

/** Need a superuser, or a URL without parameters: left out of `npm run test:postgres`. */
const NEED_OWN_SERVER = [
  'platform/database/database',
  'modules/subscription/revive-subscriptions',
  'modules/network/agent/renew-user-lists',
].map((name) => `test/${name}.test.ts`);

/** Settings of both groups of tests. */
const common = {
  // graphql exists as CommonJS and as an ES module; two copies reject each other's schemas.
  resolve: { alias: [{ find: /^graphql$/, replacement: require.resolve('graphql') }] },
};
const settings = {
  testTimeout: 20_000,
  hookTimeout: 30_000,
  // Files share their modules: reloading them for each file would add a third to the duration.
  isolate: false,
};

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    projects: [
      {
        ...common,
        test: {
          ...settings,
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: [...ALONE, ...(process.env.TEST_DATABASE_URL ? NEED_OWN_SERVER : [])],
          maxWorkers: WORKERS,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...common,
        test: {
          ...settings,
          name: 'whole',
          include: ALONE,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
