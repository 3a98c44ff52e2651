/** Takes events with the server of the Fluent project's own library, and prints each as a line of JSON. Its folder is the argument. */
const { createRequire } = require('node:module');
const { join } = require('node:path');

const { FluentServer } = createRequire(join(process.argv[2], 'package.json'))('@fluent-org/logger');
const port = Number(process.argv[3]);
const server = new FluentServer({ listenOptions: { port, host: '127.0.0.1' } });
server.on('entry', (tag, { epoch, nano }, record) => console.log(JSON.stringify({ tag, epoch, nano, record })));
server.listen().then(() => console.log('listening'));
