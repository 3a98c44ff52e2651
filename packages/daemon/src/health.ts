import fastify, { type FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { HostPort } from './options.ts';

/** `undefined` when fine, otherwise one line that says what is missing. */
export type ReadinessCheck = () => string | undefined;

/** The HTTP side of every daemon: `/healthz`, `/readyz` (also `/ready`), `/metrics`; apps add their own routes to `http`. */
export interface HealthServer {
  readonly http: FastifyInstance;
  addReadiness(name: string, check: ReadinessCheck): void;
  listen(address: HostPort): Promise<void>;
  close(): Promise<void>;
}

export function createHealthServer(metrics: Registry): HealthServer {
  const http = fastify({ logger: false, forceCloseConnections: true });
  const checks = new Map<string, ReadinessCheck>();
  http.get('/healthz', async () => 'ok\n');
  const ready = async (_request: unknown, reply: { code(status: number): unknown }) => {
    const missing = [...checks].flatMap(([name, check]) => {
      const reason = check();
      return reason === undefined ? [] : [`${name}: ${reason}`];
    });
    if (missing.length > 0) reply.code(503);
    return missing.length === 0 ? 'ready\n' : `${missing.join('\n')}\n`;
  };
  http.get('/readyz', ready);
  http.get('/ready', ready);
  http.get('/metrics', async (_request, reply) => {
    reply.header('content-type', metrics.contentType);
    return metrics.metrics();
  });
  return {
    http,
    addReadiness: (name, check) => void checks.set(name, check),
    listen: async ({ host, port }) => void (await http.listen({ host, port })),
    close: () => http.close(),
  };
}
