import { createServer } from 'node:http';

/** Answers with its name, and with whom it saw. Arguments: name, address, port, … port. */
const [name = '', address = '127.0.0.1', ...ports] = process.argv.slice(2);
for (const port of ports) {
  createServer((request, response) => response.end(`${name} saw ${request.socket.remoteAddress}\n`)).listen(Number(port), address);
}
