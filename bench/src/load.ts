import { Agent, request } from 'node:http';

export interface LoadResult {
  readonly requests: number;
  /** Requests without a 200, and requests that broke; by reason. */
  readonly failures: ReadonlyMap<string, number>;
}

export interface Load {
  readonly sent: () => number;
  /** Lets requests in flight finish. */
  stop(): Promise<LoadResult>;
}

/** `connections` clients that each ask again as soon as they are answered, until `stop`. */
export function startLoad(url: string, connections: number, headers: Record<string, string> = {}): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const failures = new Map<string, number>();
  let requests = 0;
  let stopped = false;
  const fail = (reason: string) => failures.set(reason, (failures.get(reason) ?? 0) + 1);
  const one = () =>
    new Promise<void>((done) => {
      requests++;
      const outgoing = request(url, { agent, headers }, (response) => {
        if (response.statusCode !== 200) fail(`status ${response.statusCode}`);
        response.resume();
        response.once('end', done);
        response.once('error', (error) => {
          fail(error.message);
          done();
        });
      });
      outgoing.once('error', (error) => {
        fail(error.message);
        done();
      });
      outgoing.end();
    });
  const loops = Array.from({ length: connections }, async () => {
    while (!stopped) await one();
  });
  return {
    sent: () => requests,
    async stop() {
      stopped = true;
      await Promise.all(loops);
      agent.destroy();
      return { requests, failures };
    },
  };
}
