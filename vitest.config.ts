import { defineConfig } from 'vitest/config';

/** `.ci/run` sets the file for the machine-readable report that its totals come from. */
const report = process.env['XEBEC_TEST_REPORT'];

export default defineConfig({
  test: {
    include: ['packages/*/src/**/*.spec.ts', 'apps/**/*.spec.ts', 'tools/**/*.spec.ts'],
    exclude: ['**/node_modules/**'],
    // Processes and worker threads start slowly on a machine that has other work.
    testTimeout: 60_000,
    pool: 'threads',
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
