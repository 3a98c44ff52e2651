import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const report = process.env['XEBEC_TEST_REPORT'];

// Processes that suites start find what `npm ci` and runs before have compiled.
process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, '../node_modules/.cache/xebec/compile');

/** Suites with real processes and real peers: one after the other, because they share the machine's ports and cores. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.e2e.ts'],
    testTimeout: 60_000,
    hookTimeout: 90_000,
    fileParallelism: false,
    pool: 'forks',
    // Node loads the files as it does outside of tests.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
