import { createServer } from 'node:net';

/** An application that answers each request with what it got, byte for byte. Arguments: its name, then ports. */
const [name = '', ...ports] = process.argv.slice(2);
for (const port of ports)
  createServer((socket) => {
    let open = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      open += chunk.toString('latin1');
      for (let end = open.indexOf('\r\n\r\n'); end >= 0; end = open.indexOf('\r\n\r\n')) {
        const body = Buffer.from(`${name} got ${open.slice(0, end)}\n`, 'latin1');
        open = open.slice(end + 4);
        socket.write(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n`);
        socket.write(body);
      }
    });
  }).listen(Number(port), '0.0.0.0');
