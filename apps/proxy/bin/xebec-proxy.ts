#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { boundYoungGeneration } from '../src/young-generation.ts';

boundYoungGeneration();
// What the install step compiled, when it is there: a compiler that need not run leaves its memory to the proxy.
const compiled = join(import.meta.dirname, '../../../node_modules/.cache/xebec/compile');
enableCompileCache(process.env['NODE_COMPILE_CACHE'] === undefined && existsSync(compiled) ? compiled : undefined);
// That node:ffi is experimental is for us to know, not for every log.
process.removeAllListeners('warning');
process.on('warning', (warning) => {
  if (warning.name !== 'ExperimentalWarning') process.stderr.write(`${warning.name}: ${warning.message}\n`);
});
const [verb, ...rest] = process.argv.slice(2);
if (verb === 'request') {
  const { requestAdmin } = await import('../src/request-admin.ts');
  process.exitCode = await requestAdmin(rest, process.env);
} else if (verb === 'iptables' || verb === 'istio-iptables' || verb === 'istio-clean-iptables') {
  const { runCaptureCommand } = await import('@xebec/agent');
  process.exitCode = await runCaptureCommand({
    args: rest,
    verb: verb === 'istio-clean-iptables' ? 'clean' : 'apply',
    isRoot: process.getuid?.() === 0,
    write: (text) => process.stdout.write(text),
    writeError: (text) => process.stderr.write(text),
  });
} else {
  const { runProxy } = await import('../src/run-proxy.ts');
  await runProxy('xebec-proxy', process.argv.slice(2));
}
