#!/usr/bin/env node
import { createTcpEcho } from '../src/tcp-echo.ts';

process.title = 'tcp-echo';
const [ports = '9000', prefix = 'hello'] = process.argv.slice(2);
const host = process.env['XEBEC_BIND_ADDRESS'] ?? '0.0.0.0';
const servers = ports.split(',').map((port) => {
  const server = createTcpEcho(prefix);
  server.on('error', (error) => {
    console.error(`tcp-echo: cannot listen on ${host}:${port}: ${error.message}`);
    process.exit(1);
  });
  return server.listen(Number(port), host, () => console.log(`tcp-echo: listening on ${host}:${port}, prefix ${prefix}`));
});
process.once('SIGTERM', () => {
  for (const server of servers) server.close();
  process.exit(0);
});
