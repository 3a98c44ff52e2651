#!/usr/bin/env node
import { prepareProcess } from '../src/prepare-process.ts';

prepareProcess();
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
