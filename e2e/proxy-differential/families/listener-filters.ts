import { accessLog, address, type } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Json, Site } from '../harness/family.ts';

/** A chain that answers with its name. */
const chain = (name: string, match?: Json): Json => ({
  name,
  ...(match === undefined ? {} : { filter_chain_match: match }),
  filters: [
    {
      name: 'direct_response',
      typed_config: {
        '@type': type('envoy.extensions.filters.network.direct_response.v3.Config'),
        response: { inline_string: name },
      },
    },
  ],
});
const listenerFilter = (message: string, config: Json = {}, more: Json = {}): Json => ({
  name: message,
  typed_config: { '@type': type(`envoy.extensions.filters.listener.${message}`), ...config },
  ...more,
});
const proxyProtocol = (config: Json = {}): Json => listenerFilter('proxy_protocol.v3.ProxyProtocol', config);
const tlsInspector = (more: Json = {}): Json => listenerFilter('tls_inspector.v3.TlsInspector', {}, more);
const httpInspector = (more: Json = {}): Json => listenerFilter('http_inspector.v3.HttpInspector', {}, more);

const listener = (site: Site, name: string, filters: readonly Json[], chains: readonly Json[], more: Json = {}): Json => ({
  name,
  address: address(site.port(name)),
  listener_filters: filters,
  listener_filters_timeout: '0.2s',
  filter_chains: chains,
  access_log: [
    accessLog(site, {
      remote: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
      direct: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%',
      local: '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%',
      serverName: '%REQUESTED_SERVER_NAME%',
      metadata: '%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol)%',
      other: '%DYNAMIC_METADATA(other)%',
      chain: '%FILTER_CHAIN_NAME%',
    }),
  ],
  ...more,
});
const range = (text: string): Json => {
  const [prefix = '', length = '32'] = text.split('/');
  return { address_prefix: prefix, prefix_len: Number(length) };
};

const v1 = (source: string, destination: string, sourcePort: number, destinationPort: number): string =>
  `PROXY ${source.includes(':') ? 'TCP6' : 'TCP4'} ${source} ${destination} ${sourcePort} ${destinationPort}\r\n`;
function v2(options: {
  command?: number;
  family?: number;
  body?: Buffer;
  tlvs?: readonly (readonly [number, string])[];
  length?: number;
}): Buffer {
  const addresses = options.body ?? Buffer.from('c0000201c000020204570 8ae'.replaceAll(' ', ''), 'hex');
  const tlvs = (options.tlvs ?? []).map(([kind, value]) => Buffer.concat([Buffer.from([kind, 0, value.length]), Buffer.from(value)]));
  const body = Buffer.concat([addresses, ...tlvs]);
  const length = options.length ?? body.length;
  const head = Buffer.from([0x20 | (options.command ?? 1), options.family ?? 0x11, length >> 8, length & 0xff]);
  return Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'), head, body]);
}

/** A ClientHello with a server name and ALPN, in records of at most `recordBytes`. */
function clientHello(serverName: string, alpn: readonly string[] = [], recordBytes = 16_000): Buffer {
  const sized = (lengthBytes: number, content: Buffer): Buffer => {
    const length = Buffer.alloc(lengthBytes);
    length.writeUIntBE(content.length, 0, lengthBytes);
    return Buffer.concat([length, content]);
  };
  const extension = (kind: number, content: Buffer): Buffer => Buffer.concat([Buffer.from([0, kind]), sized(2, content)]);
  const extensions: Buffer[] = [extension(43, Buffer.from([2, 3, 4])), extension(10, Buffer.from([0, 2, 0, 29]))];
  if (serverName !== '') extensions.push(extension(0, sized(2, Buffer.concat([Buffer.from([0]), sized(2, Buffer.from(serverName))]))));
  if (alpn.length > 0) extensions.push(extension(16, sized(2, Buffer.concat(alpn.map((one) => sized(1, Buffer.from(one)))))));
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    sized(1, Buffer.alloc(0)),
    sized(2, Buffer.from([0x13, 1, 0xc0, 0x2f])),
    sized(1, Buffer.from([0])),
    sized(2, Buffer.concat(extensions)),
  ]);
  const message = Buffer.concat([Buffer.from([1]), sized(3, body)]);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += recordBytes) {
    records.push(Buffer.from([22, 3, 1]), sized(2, message.subarray(at, at + recordBytes)));
  }
  return Buffer.concat(records);
}

const get = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const send = (name: string, to: string, bytes: string | Buffer, more: Partial<DifferentialCase> = {}): DifferentialCase => ({
  name,
  does: { kind: 'tcp', to, send: bytes, open: true, timeoutMs: 400 },
  ...more,
});
const tcp4 = v1('192.0.2.1', '192.0.2.2', 1111, 2222);

const headers: readonly (readonly [string, string | Buffer])[] = [
  ['v1', `${tcp4}x`],
  ['v1 over IPv6', `${v1('2001:db8::1', '::2', 1, 2)}x`],
  ['v1 UNKNOWN', 'PROXY UNKNOWN\r\nx'],
  ['v1 UNKNOWN with addresses', 'PROXY UNKNOWN 1.2.3.4 5.6.7.8 1 2\r\nx'],
  ['v1 with a bad address', 'PROXY TCP4 1.2.3 5.6.7.8 1 2\r\nx'],
  ['v1 with a bad port', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\nx'],
  ['v1 of an unknown family', 'PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\nx'],
  ['v1 with mixed families', 'PROXY TCP4 ::1 5.6.7.8 1 2\r\nx'],
  ['v1 without end', `PROXY TCP4 ${'1'.repeat(120)}`],
  ['v1 with one word more', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2 x\r\nx'],
  ['v1 with a bare LF', 'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\nx'],
  ['v1 cut', 'PROXY TCP4 1.2'],
  ['v2', Buffer.concat([v2({}), Buffer.from('x')])],
  [
    'v2 with TLVs',
    Buffer.concat([
      v2({
        tlvs: [
          [2, 'authority'],
          [0xe0, 'own'],
          [0x55, 'unasked'],
        ],
      }),
      Buffer.from('x'),
    ]),
  ],
  ['v2 of UDP', Buffer.concat([v2({ family: 0x12 }), Buffer.from('x')])],
  ['v2 LOCAL', Buffer.concat([v2({ command: 0, family: 0, body: Buffer.alloc(0) }), Buffer.from('x')])],
  ['v2 LOCAL with addresses', Buffer.concat([v2({ command: 0 }), Buffer.from('x')])],
  ['v2 over a Unix socket', Buffer.concat([v2({ family: 0x31, body: Buffer.alloc(216) }), Buffer.from('x')])],
  ['v2 of an unknown command', Buffer.concat([v2({ command: 5 }), Buffer.from('x')])],
  ['v2 too short for its addresses', v2({ length: 8 })],
  ['v2 with a TLV past the end', v2({ tlvs: [[2, 'abc']], length: 13 })],
  ['no header', get],
  ['nothing', ''],
];

/** First the criterion that Envoy looks at first. What a chain does not say matches everything. */
const ordered: readonly Json[] = [
  chain('port 2222', { destination_port: 2222 }),
  chain('destination /24', { prefix_ranges: [range('192.0.2.0/24')] }),
  chain('destination /32', { prefix_ranges: [range('192.0.2.2/32')] }),
  chain('destination /32 and a source', { prefix_ranges: [range('192.0.2.3/32')], source_prefix_ranges: [range('203.0.113.0/24')] }),
  chain('exact name', { server_names: ['a.example.com'] }),
  chain('wildcard', { server_names: ['*.example.com'] }),
  chain('shorter wildcard', { server_names: ['*.com'] }),
  chain('tls', { transport_protocol: 'tls' }),
  chain('tls with ALPN', { transport_protocol: 'tls', application_protocols: ['h2', 'istio'] }),
  chain('http', { application_protocols: ['http/1.1'] }),
  chain('direct source', { direct_source_prefix_ranges: [range('127.0.0.3/32')] }),
  chain('source /24', { source_prefix_ranges: [range('203.0.113.0/24')] }),
  chain('source /32', { source_prefix_ranges: [range('203.0.113.9/32')] }),
  chain('source port', { source_ports: [4444] }),
  chain('external', { source_type: 'EXTERNAL' }),
  chain('local', { source_type: 'SAME_IP_OR_LOOPBACK' }),
];
const away = (destination: string, port: number, source = '198.51.100.1', sourcePort = 1111): string =>
  v1(source, destination, sourcePort, port);

const matches: readonly (readonly [string, string | Buffer, string?])[] = [
  ['by port before address', `${away('192.0.2.2', 2222)}raw bytes\r\n`],
  ['by the longest prefix of the destination', `${away('192.0.2.2', 1)}raw bytes\r\n`],
  ['by a shorter prefix', `${away('192.0.2.77', 1)}raw bytes\r\n`],
  ['without going back: destination fits, source does not', `${away('192.0.2.3', 1)}raw bytes\r\n`],
  ['destination and source', `${away('192.0.2.3', 1, '203.0.113.5')}raw bytes\r\n`],
  ['by an exact name', Buffer.concat([Buffer.from(away('10.0.0.1', 1)), clientHello('a.example.com', ['h2'])])],
  ['by a name in capitals', Buffer.concat([Buffer.from(away('10.0.0.1', 1)), clientHello('A.Example.COM')])],
  ['by a wildcard', Buffer.concat([Buffer.from(away('10.0.0.1', 1)), clientHello('x.y.example.com')])],
  ['by the shorter wildcard', Buffer.concat([Buffer.from(away('10.0.0.1', 1)), clientHello('example.com')])],
  ['by ALPN', Buffer.concat([Buffer.from(away('10.0.0.1', 1)), clientHello('other', ['istio', 'h2'])])],
  ['by TLS alone', Buffer.concat([Buffer.from(away('10.0.0.1', 1)), clientHello('other', ['http/1.1'])])],
  ['by TLS without a name', Buffer.concat([Buffer.from(away('10.0.0.1', 1)), clientHello('')])],
  ['by TLS in small records', Buffer.concat([Buffer.from(away('10.0.0.1', 1)), clientHello('a.example.com', [], 20)])],
  ['by HTTP', `${away('10.0.0.1', 1)}${get}`],
  ['by the direct source', `${away('10.0.0.1', 1)}raw bytes\r\n`, '127.0.0.3'],
  ['by the longest prefix of the source', `${away('10.0.0.1', 1, '203.0.113.9')}raw bytes\r\n`],
  ['by a shorter prefix of the source', `${away('10.0.0.1', 1, '203.0.113.8')}raw bytes\r\n`],
  ['by the source port', `${away('10.0.0.1', 1, '198.51.100.1', 4444)}raw bytes\r\n`],
  ['by the type of source, external', `${away('10.0.0.1', 1)}raw bytes\r\n`],
  ['by the type of source, the same address', `${away('10.0.0.1', 1, '10.0.0.1')}raw bytes\r\n`],
  ['by the type of source, loopback', `${away('10.0.0.1', 1, '127.0.0.9')}raw bytes\r\n`],
  ['IPv6 that nothing names', `${v1('2001:db8::1', '2001:db8::2', 1, 1)}raw bytes\r\n`],
];

const sniffed: readonly (readonly [string, string | Buffer])[] = [
  ['HTTP/1.1', get],
  ['HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n'],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a part of the preface of HTTP/2', 'PRI * HT'],
  ['an unknown method', 'FOO / HTTP/1.1\r\n\r\n'],
  ['a method in small letters', 'get / HTTP/1.1\r\n\r\n'],
  ['no version', 'GET /\r\n'],
  ['a later version', 'GET / HTTP/3.1\r\n\r\n'],
  ['a broken version', 'GET / HTTP/x\r\n\r\n'],
  ['an empty line before', '\r\nGET / HTTP/1.1\r\n\r\n'],
  ['a blank before', ' GET / HTTP/1.1\r\n\r\n'],
  ['a part of a request line', 'GET /'],
  ['a long request line', `GET /${'a'.repeat(9000)} HTTP/1.1\r\n\r\n`],
  ['SSH', 'SSH-2.0-OpenSSH\r\n'],
  ['Redis', '*1\r\n$4\r\nPING\r\n'],
];

export const listenerFilters: DifferentialFamily = {
  name: 'listener-filters',
  about: 'PROXY protocol, TLS and HTTP inspection, time limits of both, and the order of filter-chain matching',
  bootstrap: (site) => ({
    static_resources: {
      listeners: [
        listener(
          site,
          'proxied',
          [
            proxyProtocol({
              allow_requests_without_proxy_protocol: true,
              rules: [
                { tlv_type: 2, on_tlv_present: { key: 'authority' } },
                { tlv_type: 0xe0, on_tlv_present: { key: 'own', metadata_namespace: 'other' } },
              ],
            }),
          ],
          [chain('through')],
        ),
        listener(site, 'required', [proxyProtocol({ stat_prefix: 'required', disallowed_versions: ['V1'] })], [chain('through')]),
        listener(site, 'ordered', [proxyProtocol(), tlsInspector(), httpInspector()], ordered),
        listener(
          site,
          'sniffed',
          [tlsInspector(), httpInspector()],
          [
            chain('http/1.1', { application_protocols: ['http/1.1'] }),
            chain('http/1.0', { application_protocols: ['http/1.0'] }),
            chain('h2c', { application_protocols: ['h2c'] }),
            chain('other'),
          ],
        ),
        listener(
          site,
          'patient',
          [tlsInspector(), httpInspector()],
          [chain('http', { application_protocols: ['http/1.1'] }), chain('other')],
          { continue_on_listener_filters_timeout: true },
        ),
        listener(
          site,
          'off',
          [
            tlsInspector({ filter_disabled: { any_match: true } }),
            httpInspector({
              filter_disabled: { not_match: { destination_port_range: { start: site.port('off') + 1, end: site.port('off') + 2 } } },
            }),
          ],
          [chain('http', { application_protocols: ['http/1.1'] }), chain('tls', { transport_protocol: 'tls' }), chain('other')],
        ),
        listener(site, 'implied', [], [chain('named', { server_names: ['a.example.com'] }), chain('other')]),
        listener(site, 'nowhere', [tlsInspector()], [chain('named', { server_names: ['a.example.com'] })]),
        listener(site, 'fallback', [tlsInspector()], [chain('named', { server_names: ['a.example.com'] })], {
          default_filter_chain: chain('default'),
        }),
      ],
    },
  }),
  cases: [
    ...headers.map(([name, bytes]) => send(name, 'proxied', bytes)),
    send('required: v2', 'required', v2({})),
    send('required: v1', 'required', tcp4),
    send('required: none', 'required', get),
    ...matches.map(
      ([name, bytes, source]): DifferentialCase => ({
        name: `chain ${name}`,
        does: { kind: 'tcp', to: 'ordered', send: bytes, open: true, ...(source === undefined ? {} : { from: source }) },
      }),
    ),
    ...sniffed.map(([name, bytes]) => send(`sniffed: ${name}`, 'sniffed', bytes)),
    send('patient: nothing', 'patient', ''),
    send('patient: half a request', 'patient', 'GET /'),
    send('patient: half a ClientHello', 'patient', clientHello('a.example.com').subarray(0, 30)),
    send('off: HTTP', 'off', get),
    send('off: TLS', 'off', clientHello('a.example.com')),
    send('implied: the name', 'implied', clientHello('a.example.com')),
    send('implied: another', 'implied', clientHello('b.example.com')),
    send('nowhere: the name', 'nowhere', clientHello('a.example.com')),
    send('nowhere: another', 'nowhere', clientHello('b.example.com')),
    send('fallback: another', 'fallback', clientHello('b.example.com')),
    send('fallback: no TLS', 'fallback', get),
    { name: 'half-closed before anything', does: { kind: 'tcp', to: 'sniffed' } },
    { name: 'half-closed in a request line', does: { kind: 'tcp', to: 'sniffed', send: 'GET /' } },
  ],
  stats: [
    ...['v1', 'v2'].flatMap((version) => ['found', 'disallowed'].map((stat) => `proxy_proto.versions.${version}.${stat}`)),
    'proxy_proto.not_found_allowed',
    'proxy_proto.required.versions.v1.disallowed',
    'proxy_proto.required.versions.v2.found',
    'proxy_proto.required.not_found_disallowed',
    ...['tls_found', 'sni_found', 'sni_not_found', 'alpn_found', 'alpn_not_found'].map((stat) => `tls_inspector.${stat}`),
    ...['http10_found', 'http11_found', 'http2_found', 'http_not_found'].map((stat) => `http_inspector.${stat}`),
  ],
};
