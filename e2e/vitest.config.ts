import { defineConfig } from 'vitest/config';

const report = process.env['XEBEC_TEST_REPORT'];

/** Suites with real processes and real peers: one after the other, because they share the machine's ports and cores. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.e2e.ts'],
    testTimeout: 60_000,
    hookTimeout: 90_000,
    fileParallelism: false,
    pool: 'forks',
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
});
