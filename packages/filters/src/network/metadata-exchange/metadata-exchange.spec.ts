import { MetadataExchangeSchema } from '@xebec/protos/istio/filters/metadata_exchange';
import { createStreamInfo } from '@xebec/telemetry';
import { describe, expect, it } from 'vitest';
import { encodePeerExchange } from '../../peer/peer-exchange.ts';
import { awaitedPeerKey, downstreamPeerKey, peerInState, upstreamPeerKey } from '../../peer/workload-peer.ts';
import { configBytes, testConnection, testContext } from '../../test-harness.ts';
import { tcpMetadataExchangeDefinition } from './config.ts';
import { exchangeParts, PeerExchange } from './exchange.ts';

const node = (name: string) => ({
  id: `sidecar~${name}`,
  cluster: '',
  metadata: {
    NAME: `${name}-0`,
    NAMESPACE: 'ns',
    WORKLOAD_NAME: `${name}-v1`,
    CLUSTER_ID: 'Kubernetes',
    LABELS: { app: name, version: 'v1' },
  },
});
const protocol = 'istio-peer-exchange';
const noBytes = Buffer.alloc(0);
const client = encodePeerExchange(node('client'));
const server = encodePeerExchange(node('server'));

/** The server's side of one connection. */
function accept(alpn = protocol) {
  const { context, statsText } = testContext({ node: node('server') });
  const factory = tcpMetadataExchangeDefinition.compile(
    configBytes(MetadataExchangeSchema, { protocol, enableDiscovery: true }),
    MetadataExchangeSchema.typeName,
    context,
  );
  const connection = testConnection({ tls: { version: '', cipher: '', alpn } });
  const info = createStreamInfo(connection, 0, 0);
  const written: Buffer[] = [];
  const filter = factory.create({
    connection,
    info,
    continueReading: () => undefined,
    write: (data) => written.push(data),
    close: () => undefined,
    setTimeout: () => () => undefined,
  });
  const reads = (bytes: Buffer | string, end = false): string => {
    const passed = filter.onData?.(Buffer.from(bytes), end) ?? 'continue';
    return typeof passed === 'string' ? passed : passed.toString('latin1');
  };
  const peer = () => peerInState(info.filterState, downstreamPeerKey);
  return { filter, info, written, reads, peer, statsText, awaited: () => info.filterState.has(awaitedPeerKey(downstreamPeerKey)) };
}

describe('istio.metadata_exchange on TCP', () => {
  it('learns who the client is, and introduces itself before anything else', () => {
    const { reads, written, peer, awaited, statsText } = accept();
    expect(awaited()).toBe(true);
    expect(reads(Buffer.concat([client, Buffer.from('hello')]))).toBe('hello');
    expect(peer()).toMatchObject({ workload: 'client-v1', namespace: 'ns', app: 'client', version: 'v1', cluster: 'Kubernetes' });
    expect([awaited(), written]).toEqual([false, [server]]);
    expect(reads('more')).toBe('more');
    expect(statsText()).toContain('metadata_exchange.alpn_protocol_found: 1');
  });
  it('introduces itself first where the server speaks first, and once', () => {
    const { filter, reads, written } = accept();
    expect(filter.onWrite?.(noBytes, true)).toBe('continue');
    expect(written).toEqual([]);
    expect(filter.onWrite?.(Buffer.from('greeting'), false)).toBe('continue');
    reads(client);
    filter.onWrite?.(Buffer.from('more'), false);
    expect(written).toEqual([server]);
  });
  it('leaves connections alone whose ALPN is another', () => {
    const { filter, awaited, statsText } = accept('istio');
    expect([filter, awaited()]).toEqual([{}, false]);
    expect(statsText()).toContain('metadata_exchange.alpn_protocol_not_found: 1');
  });
  it.each([
    ['something else', ['hello'], 'hello'],
    ['something else that begins alike', ['\x3d', '\x23hello'], '\x3d\x23hello'],
    ['less than a head and the end', ['\x3d\x23\x04'], '\x3d\x23\x04'],
    ['nothing but the end', [], ''],
  ])('passes on all of a client that says %s, and sends it nothing of its own', (_, pieces, expected) => {
    const { filter, reads, written, peer, awaited } = accept();
    const passed = [...pieces.map((piece) => reads(Buffer.from(piece, 'latin1'))), reads(noBytes, true)].join('');
    expect(passed).toBe(expected);
    filter.onWrite?.(Buffer.from('answer'), false);
    expect([written, peer(), awaited()]).toEqual([[], undefined, false]);
  });
  it.each([
    ['garbage', Buffer.from('3d230467000000030102ff', 'hex')],
    ['an empty introduction', Buffer.from('3d23046700000000', 'hex')],
    ['an Any of another type', Buffer.from('3d230467000000050a03782f79', 'hex')],
    ['too much', Buffer.concat([Buffer.from('3d23046700010001', 'hex'), Buffer.alloc(65_537, 'x')])],
  ])('skips %s, and passes on what follows', (_, introduction) => {
    const { reads, written, peer, awaited, statsText } = accept();
    expect(Array.from(introduction, (_byte, i) => reads(introduction.subarray(i, i + 1))).join('')).toBe('');
    expect(reads('hello')).toBe('hello');
    expect([peer(), awaited(), written.length]).toEqual([undefined, false, 1]);
    expect(statsText()).toContain(`metadata_exchange.header_not_found: 1`);
  });
  it('ends with a client that leaves in the midst of its introduction', () => {
    const { reads, peer } = accept();
    expect(reads(client.subarray(0, 30)) + reads(noBytes, true)).toBe('');
    expect(peer()).toBeUndefined();
  });
});

describe('an upstream connection', () => {
  it('begins with the introduction, and has the server’s taken out', () => {
    const { context } = testContext();
    const info = createStreamInfo(testConnection({}), 0, 0);
    const written: string[] = [];
    const exchange = new PeerExchange(exchangeParts(node('client'), context.stats), info, upstreamPeerKey, (bytes) =>
      written.push(bytes.toString('latin1')),
    );
    exchange.introduce();
    exchange.introduce();
    expect(written).toEqual([client.toString('latin1')]);
    expect(exchange.read(server.subarray(0, 9), false).length).toBe(0);
    expect(exchange.read(Buffer.concat([server.subarray(9), Buffer.from('hi')]), false).toString()).toBe('hi');
    expect(peerInState(info.filterState, upstreamPeerKey)).toMatchObject({ workload: 'server-v1', app: 'server' });
  });
});
