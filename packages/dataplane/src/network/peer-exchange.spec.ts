import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { seededRandom, silentLogger, systemClock } from '@xebec/core';
import { exchangeParts } from '@xebec/filters';
import { certificatePem, createCsr, createSelfSignedRoot, generateKeys, issueLeaf, loadAuthority, parseCsr, unwrap } from '@xebec/identity';
import { createStats, formatPrometheus } from '@xebec/telemetry';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseBootstrap } from '../config/bootstrap.ts';
import { startDataplane } from '../dataplane.ts';

/** Two proxies as a mesh has them: TCP on both sides, mutual TLS with ALPN between them. */
const type = (name: string): string => `type.googleapis.com/${name}`;
const protocol = 'istio-peer-exchange';
const exchange = {
  name: 'istio.metadata_exchange',
  typed_config: { '@type': type('envoy.tcp.metadataexchange.config.MetadataExchange'), protocol },
};
const stats = { name: 'istio.stats', typed_config: { '@type': type('stats.PluginConfig') } };
const tcpProxy = {
  name: 'tcp',
  typed_config: { '@type': type('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'), stat_prefix: 'tcp', cluster: 'next' },
};
const node = (name: string) => ({
  id: `sidecar~${name}`,
  cluster: '',
  metadata: { NAME: `${name}-0`, NAMESPACE: 'ns', WORKLOAD_NAME: `${name}-v1`, CLUSTER_ID: 'c', LABELS: { app: name, version: 'v1' } },
});

let credentials: { certificate: string; key: string; ca: string };
beforeAll(async () => {
  const now = Date.now();
  const keys = await generateKeys('ecdsa-p256');
  const root = unwrap(createSelfSignedRoot(keys, { organization: 'mesh', ttlMs: 3_600_000, now, serial: randomBytes(16) }));
  const pem = (key: typeof keys.privateKey): string => key.export({ format: 'pem', type: 'pkcs8' }).toString();
  const authority = unwrap(loadAuthority({ certificate: certificatePem(root), privateKey: pem(keys.privateKey) }));
  const own = await generateKeys('ecdsa-p256');
  const leaf = unwrap(
    issueLeaf(authority, unwrap(parseCsr(createCsr(own))), {
      uri: 'spiffe://mesh/ns/ns/sa/a',
      ttlMs: 3_600_000,
      now,
      serial: randomBytes(16),
    }),
  );
  credentials = { certificate: certificatePem(leaf), key: pem(own.privateKey), ca: certificatePem(root) };
});

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listen(serve: (socket: Socket) => void, tls = false): Promise<number> {
  const server = tls
    ? createTlsServer({ cert: credentials.certificate, key: credentials.key, ALPNProtocols: [protocol] }, serve)
    : createServer(serve);
  closers.push(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port; // A bound TCP server has one.
}

const common = (alpn: readonly string[]) => ({
  tls_certificates: [{ certificate_chain: { inline_string: credentials.certificate }, private_key: { inline_string: credentials.key } }],
  validation_context: { trusted_ca: { inline_string: credentials.ca } },
  alpn_protocols: alpn,
});
const socket = (message: string, config: object) => ({
  transport_socket: {
    name: 'tls',
    typed_config: { '@type': type(`envoy.extensions.transport_sockets.tls.v3.${message}`), ...config },
  },
});

async function proxy(name: string, direction: string, chain: object, filters: readonly object[], port: number, more: object) {
  const address = (at: number) => ({ socket_address: { address: '127.0.0.1', port_value: at } });
  const bootstrap = {
    node: node(name),
    static_resources: {
      listeners: [
        {
          name: 'main',
          traffic_direction: direction,
          address: address(0),
          filter_chains: [{ filters: [...filters, stats, tcpProxy], ...chain }],
        },
      ],
      clusters: [
        {
          name: 'next',
          load_assignment: { cluster_name: 'next', endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }] },
          ...more,
        },
      ],
    },
  };
  const dataplane = await startDataplane({
    bootstrap: parseBootstrap(JSON.stringify(bootstrap), 'test.yaml'),
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    version: 'test',
  });
  closers.push(() => dataplane.close());
  await dataplane.ready;
  const bound = dataplane.state.listeners.boundAddress('main');
  if (bound?.kind !== 'tcp') throw new Error('not bound');
  /** Lines that begin so. */
  const metrics = (name: string): string[] =>
    formatPrometheus(dataplane.state.stats.collect())
      .split('\n')
      .filter((line) => line.startsWith(name));
  return { port: bound.port, metrics };
}

const server = (port: number, alpn = [protocol]) =>
  proxy(
    'server',
    'INBOUND',
    socket('DownstreamTlsContext', { common_tls_context: common(alpn), require_client_certificate: true }),
    [exchange],
    port,
    {},
  );
const client = (port: number, alpn = [protocol, 'istio']) =>
  proxy('client', 'OUTBOUND', {}, [exchange], port, {
    filters: [exchange],
    ...socket('UpstreamTlsContext', { common_tls_context: common(alpn) }),
  });

/** All that comes back until the other end ends. */
async function say(port: number, text: string): Promise<string> {
  const caller = connect(port, '127.0.0.1');
  caller.end(text);
  let heard = '';
  for await (const bytes of caller) heard += bytes;
  return heard;
}
const echo = (caller: Socket) => void caller.pipe(caller);
const greet = (caller: Socket): void => {
  caller.write('welcome ');
  echo(caller);
};
const ends = /source_workload="client-v1".*source_app="client".*destination_workload="server-v1"/;
describe('two sidecars', () => {
  it.each([
    ['where the client speaks first', echo, 'hello', 'hello'],
    ['where the server speaks first', greet, 'hello', 'welcome hello'],
    ['with much to say', echo, 'x'.repeat(300_000), 'x'.repeat(300_000)],
  ])('know each other, and the applications see nothing of it, %s', async (_, serve, said, heard) => {
    const inbound = await server(await listen(serve));
    const outbound = await client(inbound.port);
    expect(await say(outbound.port, said)).toBe(heard);
    for (const { metrics } of [inbound, outbound]) {
      await vi.waitFor(() => expect(metrics('istio_tcp_connections_opened_total{')).toEqual([expect.stringMatching(ends)]));
    }
    // Only what the applications said is counted.
    await vi.waitFor(() => expect(inbound.metrics('istio_tcp_received_bytes_total{')).toEqual([expect.stringMatching(` ${said.length}$`)]));
    expect(inbound.metrics('envoy_metadata_exchange_').filter((line) => !line.endsWith(' 0'))).toEqual([
      'envoy_metadata_exchange_alpn_protocol_found{} 1',
      'envoy_metadata_exchange_metadata_added{} 1',
    ]);
  });
  it('say nothing where only one of them can', async () => {
    const inbound = await server(await listen(echo), ['h2']);
    const outbound = await client(inbound.port);
    expect(await say(outbound.port, 'hello')).toBe('hello');
    const other = await server(await listen(echo));
    expect(await say((await client(other.port, ['istio'])).port, 'hello')).toBe('hello');
    expect(outbound.metrics('envoy_metadata_exchange_metadata_added{} 1')).toEqual([]);
  });
});

describe('a peer that agreed and', () => {
  it('does not begin with it is heard and answered as it is', async () => {
    const inbound = await server(await listen(echo));
    const caller = connectTls({
      port: inbound.port,
      cert: credentials.certificate,
      key: credentials.key,
      ca: credentials.ca,
      ALPNProtocols: [protocol],
      checkServerIdentity: () => undefined,
    });
    caller.end('hello');
    let heard = '';
    for await (const bytes of caller) heard += bytes;
    expect(heard).toBe('hello');
  });
  it('answers with anything else is passed on', async () => {
    let received = '';
    const port = await listen((caller) => {
      caller.on('data', (bytes) => (received += bytes.toString('latin1')));
      caller.on('end', () => caller.end('what?'));
    }, true);
    const outbound = await client(port);
    expect(await say(outbound.port, 'hello')).toBe('what?');
    const introduction = exchangeParts(node('client'), createStats()).introduction.toString('latin1');
    await vi.waitFor(() => expect(received).toBe(`${introduction}hello`));
  });
});
