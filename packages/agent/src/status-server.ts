import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorText, type Logger } from '@xebec/core';
import { type AppProbes, runAppProbe } from './app-probes.ts';
import { type HttpAnswer, httpCall } from './http-get.ts';
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
      return answer(200, ...(await mergedMetrics(options, request.headers)));
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

const SCRAPE_TIMEOUT_MS = 5000;
const OPEN_METRICS = 'application/openmetrics-text';

/**
 * Proxy, agent and application on one page; whichever does not answer is left out, so that one failure hides no other. Prometheus says
 * how long it waits and which formats it reads: the page is there in time, and OpenMetrics (exemplars) where the application has it.
 */
async function mergedMetrics(
  options: StatusServerOptions,
  { accept = '*/*', ...headers }: IncomingHttpHeaders,
): Promise<[page: string, headers: Record<string, string>]> {
  const timeoutMs = scrapeTimeoutMs(headers['x-prometheus-scrape-timeout-seconds']);
  const scrape = async (url: string | undefined, wanted: string): Promise<HttpAnswer | undefined> => {
    if (url === undefined) return undefined;
    try {
      const answer = await httpCall(url, { timeoutMs, headers: { accept: wanted } });
      if (answer.status === 200) return answer;
      options.logger.warn({ url, status: answer.status }, 'metrics page left out');
    } catch (error) {
      options.logger.warn({ url }, `metrics page left out: ${errorText(error)}`);
    }
    return undefined;
  };
  const [proxy, app] = await Promise.all([scrape(options.proxyStatsUrl, '*/*'), scrape(options.appStatsUrl, accept)]);
  // The end mark of OpenMetrics would cut off what follows.
  const pages = [options.agentMetrics(), proxy?.body ?? '', app?.body.replace(/# EOF\s*$/, '') ?? ''];
  const page = pages.map((text) => (text === '' || text.endsWith('\n') ? text : `${text}\n`)).join('');
  if (app?.contentType.startsWith(OPEN_METRICS) !== true) return [page, METRICS];
  return [`${page.replaceAll(/\n{2,}/g, '\n')}# EOF\n`, { 'content-type': app.contentType }];
}

/** A fifth of the time that Prometheus gives is left for the page itself. */
function scrapeTimeoutMs(header: string | string[] | undefined): number {
  const seconds = Number(header);
  return seconds > 0 ? Math.min(SCRAPE_TIMEOUT_MS, seconds * 800) : SCRAPE_TIMEOUT_MS;
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
