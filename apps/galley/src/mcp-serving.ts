import { Server, ServerCredentials } from '@grpc/grpc-js';
import { type Clock, errorText, type Logger, systemRandom, XebecError } from '@xebec/core';
import { type HealthServer, type HostPort, hostPortOption, type OptionSpec } from '@xebec/daemon';
import {
  type CollectionContent,
  collections,
  connectMcpSource,
  MAX_MESSAGE_BYTES,
  McpServer,
  mcpSourceService,
  XdsSource,
  xdsSourceService,
} from '@xebec/mcp';
import { createMcpCredentials, type McpCredentials } from './mcp-credentials.ts';
import type { GalleyMetrics } from './metrics.ts';

export const mcpOptions: readonly OptionSpec[] = [
  {
    flags: '--mcp-addr <host:port>',
    description: 'MCP source, and the same by xDS (GENERATOR=api), in plaintext; empty for none',
    default: '0.0.0.0:9901',
  },
  { flags: '--mcp-tls-addr <host:port>', description: 'the same over TLS, for callers of --mcp-allowed-ids; empty for none', default: '' },
  {
    flags: '--mcp-allowed-ids <ids>',
    description: 'SPIFFE IDs that may use --mcp-tls-addr, by commas, * at the end for any rest (default: those of istio-system)',
    default: '',
  },
  { flags: '--mcp-cert-file <file>', description: 'certificate of --mcp-tls-addr, instead of one from citadel', default: '' },
  { flags: '--mcp-key-file <file>', description: 'its key', default: '' },
  { flags: '--mcp-ca-file <file>', description: 'roots of the certificates that callers show', default: '' },
  { flags: '--trust-domain <name>', description: 'trust domain of client certificates', default: 'cluster.local' },
  { flags: '--mcp-sink-addr <host:port,...>', description: 'MCP sinks to call, for sinks that cannot call us', default: '' },
  { flags: '--mcp-max-streams <number>', description: 'MCP streams that may be open at once', default: '1000' },
  { flags: '--mcp-max-new-streams-per-second <number>', description: 'MCP streams that may be opened in a second', default: '100' },
];

export interface McpServing {
  /** Makes `contents` what these collections hold, for every peer, as one change. */
  publish(contents: ReadonlyMap<string, CollectionContent>, version: string): void;
  close(): Promise<void>;
}

export interface McpServingOptions {
  readonly options: Readonly<Record<string, string>>;
  readonly health: HealthServer;
  readonly metrics: GalleyMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Everything by which collections leave galley: MCP and xDS on one port, the same over TLS, and sinks that are called. */
export async function serveMcp({ options, health, metrics, clock, logger }: McpServingOptions): Promise<McpServing> {
  const maxStreams = positive(options, 'mcpMaxStreams');
  const events = {
    onClients: (count: number) => metrics.clients.set(count),
    onAnswer: (collection: string, meaning: 'ack' | 'nack') => (meaning === 'ack' ? metrics.acks : metrics.nacks).inc({ collection }),
    onRefused: (reason: string) => metrics.refusedStreams.inc({ reason }),
    onSend: (collection: string, bytes: number) => metrics.sentBytes.inc({ collection }, bytes),
  };
  const mcp = new McpServer(
    collections.map(({ name }) => name),
    logger,
    events,
    { maxStreams, maxNewStreamsPerSecond: positive(options, 'mcpMaxNewStreamsPerSecond'), clock },
  );
  const xds = new XdsSource(mcp.states, maxStreams);
  const sinks = addressList(options['mcpSinkAddr'] ?? '').map((address) => ({
    address,
    client: connectMcpSource({ address, states: mcp.states, clock, random: systemRandom, logger, events }),
  }));
  health.http.get('/debug/mcpz', async () => mcp.clients());
  health.http.get('/debug/sinkz', async () =>
    sinks.map(({ address, client }) => ({ address, connected: client.status() !== undefined, ...client.status() })),
  );

  const plain = (options['mcpAddr'] ?? '') === '' ? undefined : createServer(mcp, xds);
  if (plain !== undefined) {
    await listen(plain, '--mcp-addr', hostPortOption(options, 'mcpAddr'), ServerCredentials.createInsecure());
    logger.info({ mcpAddr: options['mcpAddr'] }, 'serving MCP');
  }
  const secure =
    (options['mcpTlsAddr'] ?? '') === ''
      ? undefined
      : serveSecurely(hostPortOption(options, 'mcpTlsAddr'), options, mcp, xds, health, logger);
  return {
    publish: (contents, version) => {
      mcp.publish(contents, version);
      xds.update();
      for (const { client } of sinks) client.update();
    },
    close: async () => {
      for (const { client } of sinks) client.close();
      mcp.close();
      xds.close();
      await Promise.all([plain === undefined ? undefined : shutdown(plain), secure?.close()]);
    },
  };
}

/** Opens as soon as there is a certificate; nothing else waits for that. */
function serveSecurely(
  address: HostPort,
  options: Readonly<Record<string, string>>,
  mcp: McpServer,
  xds: XdsSource,
  health: HealthServer,
  logger: Logger,
): { close(): Promise<void> } {
  let missing: string | undefined = 'no certificate yet';
  let server: Server | undefined;
  let credentials: McpCredentials | undefined;
  let closed = false;
  health.addReadiness('mcp-tls', () => missing);
  const open = async (): Promise<void> => {
    credentials = await createMcpCredentials(options, logger);
    if (closed) return;
    server = createServer(mcp, xds, credentials);
    await listen(server, '--mcp-tls-addr', address, credentials.server);
    missing = undefined;
    logger.info({ mcpTlsAddr: options['mcpTlsAddr'] }, 'serving MCP over TLS');
  };
  open().catch((error: unknown) => {
    missing = errorText(error);
    if (!closed) logger.error({}, `MCP over TLS is not served: ${missing}`);
  });
  return {
    close: async () => {
      closed = true;
      credentials?.close();
      if (server !== undefined) await shutdown(server);
    },
  };
}

function createServer(mcp: McpServer, xds: XdsSource, credentials?: McpCredentials): Server {
  const server = new Server({
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    // A sink that comes back names all it holds.
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES / 4,
    'grpc.max_send_message_length': -1,
  });
  server.addService(mcpSourceService, mcp.implementation(credentials?.authenticate));
  server.addService(xdsSourceService, xds.implementation(credentials?.authenticate));
  return server;
}

function positive(options: Readonly<Record<string, string>>, name: string): number {
  const value = Number(options[name]);
  if (Number.isInteger(value) && value > 0) return value;
  const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new XebecError('E_FLAG', `${flag} takes a number from 1, but got "${options[name] ?? ''}"`);
}

function addressList(text: string): readonly string[] {
  const addresses = text
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '');
  const wrong = addresses.find((address) => !/^.+:\d+$/.test(address));
  if (wrong !== undefined) throw new XebecError('E_FLAG', `--mcp-sink-addr takes host:port, several by commas, but got "${wrong}"`);
  return addresses;
}

function shutdown(server: Server): Promise<void> {
  return new Promise((resolve) => server.tryShutdown(() => resolve()));
}

function listen(server: Server, flag: string, { host, port }: HostPort, credentials: ServerCredentials): Promise<void> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) =>
    server.bindAsync(address, credentials, (cause) => {
      if (cause === null) return resolve();
      reject(new XebecError('E_LISTEN', `${flag} ${address}: cannot listen; is another process using the port?`, { cause }));
    }),
  );
}
