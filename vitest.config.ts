import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** `.ci/run` sets the file for the machine-readable report that its totals come from. */
const report = process.env['XEBEC_TEST_REPORT'];

// Test threads, worker threads and processes that specs start find what `npm ci` and runs before have compiled.
process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, 'node_modules/.cache/xebec/compile');

export default defineConfig({
  test: {
    include: ['packages/*/src/**/*.spec.ts', 'apps/**/*.spec.ts', 'tools/**/*.spec.ts'],
    exclude: ['**/node_modules/**'],
    // Processes and worker threads start slowly on a machine that has other work.
    testTimeout: 60_000,
    pool: 'threads',
    // A thread loads what specs import once, not once for every spec, which took two thirds of the CPU: modules here keep no state.
    isolate: false,
    // Node loads the files as it does outside of tests. Nothing here replaces modules, which would need vitest's own loader.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
