#!/usr/bin/env node
// Joins standard input and output to a TCP port. The node agent starts it inside a pod's network namespace.
import { connect } from 'node:net';

process.title = 'xebec-relay';
const [host = '127.0.0.1', port = '0'] = process.argv.slice(2);
const socket = connect({ host, port: Number(port), allowHalfOpen: true });
socket.once('error', (error) => {
  console.error(`xebec-relay: cannot connect to ${host}:${port} in the pod: ${error.message}`);
  process.exit(1);
});
process.stdin.pipe(socket);
socket.pipe(process.stdout);
socket.once('close', () => process.exit(0));
