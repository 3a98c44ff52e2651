import { existsSync } from 'node:fs';
import { connect } from 'node:net';

const PROBE_MS = 1000;

/** Whether somebody listens on a Unix socket: SPIRE's agent, say. A file that a dead process left answers nobody. */
export function isServed(socketPath: string): Promise<boolean> {
  if (!existsSync(socketPath)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const done = (served: boolean) => {
      socket.destroy();
      resolve(served);
    };
    socket.setTimeout(PROBE_MS, () => done(false));
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}
