import { createServer } from 'node:net';

/** Below what the kernel gives to outgoing connections and to port 0, so that nothing takes a port between its choice and its use. */
const FIRST = 12_000;
const END = 32_000;

let next = FIRST + (process.pid % 100) * 100;

/** Ports of 127.0.0.1 that are free, none of them twice in a run: several families' proxies run at once. */
export async function takePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries++) {
    if (tries > END - FIRST) throw new Error(`there are no ${count} free ports between ${FIRST} and ${END}`);
    const port = next;
    next = port + 1 < END ? port + 1 : FIRST;
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
