#!/usr/bin/env node
// The curl image without a command: waits, so that `kubectl exec` has somewhere to run the machine's own curl.
process.title = 'curl-pod';
const keepAlive = setInterval(() => undefined, 1 << 30);
process.once('SIGTERM', () => clearInterval(keepAlive));
