import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

export interface LoadOptions {
  readonly name: string;
  readonly port: number;
  readonly path: string;
  /** Requests under way at once. */
  readonly clients: number;
  /** Between a client's answer and its next request. */
  readonly pauseMs: number;
  readonly tls?: boolean;
  /** A connection for every request. */
  readonly freshConnections?: boolean;
  readonly timeoutMs?: number;
}

export interface Failure {
  readonly atMs: number;
  readonly what: string;
}

/** A load under way, and what became of it so far. */
export interface Load {
  readonly name: string;
  readonly counts: { ok: number; inFlight: number };
  readonly failures: Failure[];
  readonly latenciesMs: number[];
  /** No new requests; resolves when the last has ended. */
  stop(): Promise<void>;
}

const keptLatencies = 200_000;

/** Closed loop: each client sends its next request when it has its answer. Answers must be 200 and those of their own request. */
export function startLoad(options: LoadOptions): Load {
  const { tls = false, freshConnections = false, timeoutMs = 10_000 } = options;
  const agent = tls
    ? new HttpsAgent({ keepAlive: !freshConnections, maxSockets: options.clients, rejectUnauthorized: false, maxCachedSessions: 0 })
    : new HttpAgent({ keepAlive: !freshConnections, maxSockets: options.clients });
  const counts = { ok: 0, inFlight: 0 };
  const failures: Failure[] = [];
  const latenciesMs: number[] = [];
  let stopped = false;
  let next = 0;
  const once = (): Promise<string | undefined> =>
    new Promise((resolve) => {
      const id = `${options.name}-${next++}`;
      const send = tls ? httpsRequest : httpRequest;
      const call = send(
        {
          host: '127.0.0.1',
          port: options.port,
          path: options.path,
          agent,
          headers: { host: 'app.example', 'x-id': id },
          timeout: timeoutMs,
        },
        (response) => {
          let body = '';
          response.on('data', (bytes: Buffer) => (body += bytes.toString()));
          response.once('error', (error) => resolve(`response cut: ${error.message}`));
          response.once('end', () => {
            if (response.statusCode !== 200) resolve(`status ${response.statusCode} ${body.slice(0, 120)}`);
            else resolve(body.endsWith(` ${id}`) ? undefined : `the answer of another request: ${body.slice(0, 80)} for ${id}`);
          });
        },
      );
      call.once('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      call.once('error', (error) => resolve(`request failed: ${error.message}`));
      call.end();
    });
  const client = async (): Promise<void> => {
    while (!stopped) {
      counts.inFlight++;
      const startedAt = performance.now();
      const failure = await once();
      counts.inFlight--;
      if (failure === undefined) {
        counts.ok++;
        if (latenciesMs.length < keptLatencies) latenciesMs.push(performance.now() - startedAt);
      } else failures.push({ atMs: Date.now(), what: failure });
      await new Promise((resolve) => setTimeout(resolve, options.pauseMs));
    }
  };
  const all = Promise.all(Array.from({ length: options.clients }, client));
  return {
    name: options.name,
    counts,
    failures,
    latenciesMs,
    async stop() {
      stopped = true;
      await all;
      agent.destroy();
    },
  };
}
