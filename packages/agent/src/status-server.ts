import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorText, type Logger } from '@xebec/core';
import { type AppProbes, runAppProbe } from './app-probes.ts';
import { httpCall } from './http-get.ts';
import type { DataPlaneReadiness } from './readiness.ts';
import type { FileSecretsState } from './secrets/file-secrets.ts';

export interface StatusServerOptions {
  readonly host: string;
  readonly port: number;
  readonly readiness: DataPlaneReadiness;
  /** The data plane's Prometheus page. */
  readonly proxyStatsUrl: string;
  /** The application's Prometheus page, where its pod's annotations name one. */
  readonly appStatsUrl?: string;
  /** The agent's own metrics as Prometheus text. */
  agentMetrics(): string;
  /** The files that SDS serves, and what is wrong with them. */
  secrets?(): readonly FileSecretsState[];
  readonly probes: AppProbes;
  readonly appAddress: string;
  /** POST /quitquitquit: leave now. */
  onQuit(): void;
  /** POST /drain: start draining, stay until told to stop. */
  onDrain(): void;
  readonly logger: Logger;
}

export interface StatusServer {
  readonly port: number;
  close(): Promise<void>;
}

const TEXT = { 'content-type': 'text/plain; charset=utf-8' };
const METRICS = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };

/** The agent's HTTP port, 15020. Plain node:http: a sidecar must be up within milliseconds. */
export function createStatusServer(options: StatusServerOptions): Promise<StatusServer> {
  const server = createServer({ requestTimeout: 30_000 }, (request, response) => {
    handle(options, request, response).catch((error: unknown) => {
      options.logger.warn({ path: request.url }, `status request failed: ${errorText(error)}`);
      if (!response.headersSent) response.writeHead(500, TEXT);
      response.end();
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => resolve({ port: portOf(server), close: () => closeServer(server) }));
  });
}

async function handle(options: StatusServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  const answer = (status: number, body = '', headers: Record<string, string> = TEXT) => void response.writeHead(status, headers).end(body);
  switch (path) {
    case '/healthz/ready': {
      const missing = await options.readiness();
      return answer(missing === undefined ? 200 : 503, missing === undefined ? '' : `Envoy proxy is NOT ready: ${missing}\n`);
    }
    case '/stats/prometheus':
      return answer(200, await mergedMetrics(options), METRICS);
    case '/metrics':
      return answer(200, options.agentMetrics(), METRICS);
    case '/debug/file_secrets':
      // Paths are nobody else's business.
      if (!isLoopback(request.socket.remoteAddress)) return answer(403, 'Only requests from localhost are allowed\n');
      return answer(200, `${JSON.stringify(options.secrets?.() ?? [], undefined, 2)}\n`, { 'content-type': 'application/json' });
    case '/quitquitquit':
    case '/drain': {
      if (!isLoopback(request.socket.remoteAddress)) return answer(403, 'Only requests from localhost are allowed\n');
      if (request.method !== 'POST') return answer(405, 'Only POST is allowed\n');
      answer(200, 'ok\n');
      return path === '/drain' ? options.onDrain() : options.onQuit();
    }
    default: {
      const probe = options.probes.get(path);
      if (probe === undefined) return answer(404, 'not found\n');
      const headers = { 'user-agent': request.headers['user-agent'] ?? 'istio-probe/1.0' };
      return answer(await runAppProbe(probe, options.appAddress, headers));
    }
  }
}

/** Proxy, agent and application on one page; whichever does not answer is left out, so that one failure hides no other. */
async function mergedMetrics(options: StatusServerOptions): Promise<string> {
  const scrape = async (url: string | undefined) => {
    if (url === undefined) return '';
    try {
      const { status, body } = await httpCall(url, { timeoutMs: 5000 });
      // OpenMetrics' end mark would cut off what follows.
      if (status === 200) return body.replace(/# EOF\s*$/, '');
      options.logger.warn({ url, status }, 'metrics page left out');
    } catch (error) {
      options.logger.warn({ url }, `metrics page left out: ${errorText(error)}`);
    }
    return '';
  };
  const pages = [options.agentMetrics(), ...(await Promise.all([scrape(options.proxyStatsUrl), scrape(options.appStatsUrl)]))];
  return pages.map((page) => (page === '' || page.endsWith('\n') ? page : `${page}\n`)).join('');
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && /^(::ffff:)?127\.|^::1$/.test(address);
}

function portOf(server: Server): number {
  // A TCP server's address is never a string.
  return (server.address() as AddressInfo).port;
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
