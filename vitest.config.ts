import { createRequire } from 'node:module';
import { defineConfig } from 'vitest/config';
import { WORKERS } from './test/support/workers.ts';

const require = createRequire(import.meta.url);

/** They start whole services, kill them and hold them to deadlines: one at a time, with the machine to themselves. */
const ALONE = ['journeys/*', 'faults/*', 'attack/*', 'cli/*', 'platform/embedded'].map(
  (name) => `test/${name}.test.ts`,
);

/** What both groups of tests have in common; what is set up for the whole run is not, or it would be set up twice. */
const common = {
  // graphql exists as a CommonJS and an ES module; two copies refuse each other's schemas.
  resolve: { alias: [{ find: /^graphql$/, replacement: require.resolve('graphql') }] },
};
const settings = {
  testTimeout: 20_000,
  hookTimeout: 30_000,
  // Files share their modules: loading the service anew for each would take as long as a third of the tests.
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
          exclude: ALONE,
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
