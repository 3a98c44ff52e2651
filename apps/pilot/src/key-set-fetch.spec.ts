import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { fetchKeySet } from './key-set-fetch.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => server.close().closeAllConnections() });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`; // a TCP server that listens has an address
}

describe('fetchKeySet', () => {
  it('gives the body', async () => {
    expect(await fetchKeySet(await serve((_request, response) => response.end('{"keys":[]}')), 5000)).toBe('{"keys":[]}');
  });
  it('names the status', async () => {
    const uri = await serve((_request, response) => response.writeHead(503).end('no'));
    await expect(fetchKeySet(uri, 5000)).rejects.toThrow('status 503');
  });
  it('waits no longer than it may', async () => {
    const uri = await serve(() => undefined);
    await expect(fetchKeySet(uri, 50)).rejects.toThrow('timeout');
  });
  it('reads no more than a megabyte', async () => {
    const uri = await serve((_request, response) => {
      const chunk = Buffer.alloc(1 << 16, 'a');
      const send = () => {
        while (!response.destroyed && response.write(chunk));
        response.once('drain', send);
      };
      send();
    });
    await expect(fetchKeySet(uri, 5000)).rejects.toThrow('more than 1048576 bytes');
  });
});
