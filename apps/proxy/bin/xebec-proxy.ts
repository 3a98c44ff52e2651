#!/usr/bin/env node
import { enableCompileCache } from 'node:module';

enableCompileCache();
const [verb, ...rest] = process.argv.slice(2);
if (verb === 'request') {
  const { requestAdmin } = await import('../src/request-admin.ts');
  process.exitCode = await requestAdmin(rest, process.env);
} else {
  const { runProxy } = await import('../src/run-proxy.ts');
  await runProxy('xebec-proxy', process.argv.slice(2));
}
