import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { httpConnectionManager, httpFilter, listener, router, standardClusters, type, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Field, Http1Exchange, Json, Reply, Site } from '../harness/family.ts';

const library = (name: string, encoding: 'gzip' | 'brotli' | 'zstd', direction = 'compressor', config: Json = {}): Json => ({
  name,
  typed_config: {
    '@type': type(`envoy.extensions.compression.${encoding}.${direction}.v3.${{ gzip: 'Gzip', brotli: 'Brotli', zstd: 'Zstd' }[encoding]}`),
    ...config,
  },
});
const compressor = (encoding: 'gzip' | 'brotli' | 'zstd', config: Json = {}): Json => ({
  ...httpFilter('compressor', 'compressor.v3.Compressor', { compressor_library: library('text', encoding), ...config }),
  name: `envoy.filters.http.compressor.${encoding}`,
});
const decompressor = (encoding: 'gzip' | 'brotli' | 'zstd', config: Json = {}): Json => ({
  ...httpFilter('decompressor', 'decompressor.v3.Decompressor', {
    decompressor_library: library('open', encoding, 'decompressor'),
    ...config,
  }),
  name: `envoy.filters.http.decompressor.${encoding}`,
});

const managers: Readonly<Record<string, readonly Json[]>> = {
  gzip: [compressor('gzip')],
  all: [compressor('gzip'), compressor('brotli'), compressor('zstd')],
  first: [compressor('gzip'), compressor('brotli', { choose_first: true })],
  request: [
    compressor('gzip', {
      request_direction_config: { common_config: { enabled: { default_value: true, runtime_key: 'r' }, min_content_length: 40 } },
    }),
  ],
  response: [
    compressor('gzip', {
      response_direction_config: {
        common_config: { min_content_length: 100, content_type: ['text/html', 'x/y'] },
        disable_on_etag_header: true,
        remove_accept_encoding_header: true,
        uncompressible_response_codes: [206, 404],
      },
    }),
  ],
  off: [compressor('gzip', { response_direction_config: { common_config: { enabled: { default_value: false, runtime_key: 'r' } } } })],
  open: [decompressor('gzip'), decompressor('brotli'), decompressor('zstd')],
  silent: [decompressor('gzip', { request_direction_config: { advertise_accept_encoding: false } })],
};

const body = 'a text that is long enough to be worth it; '.repeat(20);
const plain = (headers: readonly Field[] = [['content-type', 'text/plain']], more: Reply = {}): Reply => ({ body, headers, ...more });

/** Compressed bodies differ between libraries; what is in them does not. */
function opened(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer));
}

interface CaseOptions {
  readonly to?: string;
  readonly accept?: string | null;
  readonly reply?: Reply;
  readonly does?: Http1Exchange;
}

/** The body's checksum would tell libraries apart, so the harness reads it through `fetch`-like raw bytes here. */
function compresses(name: string, { to = 'gzip', accept = 'gzip', reply = plain(), does = {} }: CaseOptions): DifferentialCase {
  return {
    name,
    does: [],
    run: async (proxy) => {
      proxy.reply(reply);
      const headers: [string, string][] = [...((does.headers ?? []) as [string, string][])];
      if (accept !== null) headers.push(['accept-encoding', accept]);
      const answer = await rawGet(proxy.site.port(to), does, headers);
      return {
        answer: opened(answer),
        seen: proxy.takeSeen().map(openSeen),
        log: (await proxy.takeLog(1)).map(({ code, details }) => ({ code, details })),
      };
    },
  };
}

const decoders: Readonly<Record<string, (data: Buffer) => Buffer>> = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
};

async function rawGet(port: number, does: Http1Exchange, headers: readonly [string, string][]): Promise<unknown> {
  const { request } = await import('node:http');
  const { body } = does;
  const whole = typeof body === 'string' || Buffer.isBuffer(body) ? body : undefined;
  // All of them at once: headers given as a list are written at once.
  const fields = [
    ...headers,
    ['host', 'app.example'],
    ...(whole === undefined ? [] : [['content-length', String(Buffer.byteLength(whole))]]),
  ];
  return await new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        path: does.path ?? '/',
        method: does.method ?? 'GET',
        headers: fields.flat(),
        agent: false,
        setHost: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const data = Buffer.concat(chunks);
          const encoding = response.headers['content-encoding'] ?? '';
          const decode = decoders[encoding];
          const { 'content-length': length, ...rest } = response.headers;
          resolve({
            status: response.statusCode,
            headers: { ...rest, date: undefined, 'x-envoy-upstream-service-time': undefined },
            length: decode === undefined ? length : length !== undefined,
            body: (decode === undefined || data.length === 0 ? data : decode(data)).toString('latin1'),
            trailers: response.trailers,
          });
        });
      },
    );
    sent.on('error', reject);
    sent.end(whole);
  });
}

function openSeen(seen: { readonly headers: readonly Field[]; readonly body: string; readonly line: string }): unknown {
  const compressed = seen.headers.some(([name]) => name.toLowerCase() === 'content-encoding');
  const headers = seen.headers.filter(([name]) => !compressed || name.toLowerCase() !== 'content-length');
  return { line: seen.line, headers, body: compressed ? 'compressed' : seen.body };
}

const html: readonly Field[] = [['content-type', 'text/html; charset=utf-8']];
const types = [
  'text/plain',
  'application/json',
  'image/png',
  'TEXT/PLAIN',
  'text/css;x',
  'application/javascript',
  'image/svg+xml',
  'application/grpc',
  'font/woff',
  '',
];
const accepts = [
  'gzip, br, zstd',
  'br, gzip',
  'zstd;q=0.1, br;q=0.5, gzip;q=0.4',
  'gzip;q=0',
  '*',
  '*;q=0',
  'identity',
  'identity;q=0.5, gzip;q=0.1',
  'identity, gzip',
  'gzip;q=1.0, *;q=0.5',
  'deflate',
  'GZIP',
  'gzip;q=x',
  'gzip;q=0.000',
  ' gzip ; q=0.3 ,br;q=0.3',
  '',
  'br;q=1, *;q=0',
  'x-gzip',
  'gzip;level=1',
];

export const compression: DifferentialFamily = {
  name: 'compression',
  about: 'compressor and decompressor with gzip, brotli and zstd: negotiation, what is left alone, headers',
  bootstrap: (site: Site) => ({
    static_resources: {
      listeners: Object.entries(managers).map(([name, filters]) =>
        listener(site, name, [
          httpConnectionManager(
            site,
            [
              virtualHost([
                {
                  name: 'off',
                  match: { prefix: '/off' },
                  route: { cluster: 'a' },
                  typed_per_filter_config: {
                    'envoy.filters.http.compressor.gzip': {
                      '@type': type('envoy.extensions.filters.http.compressor.v3.CompressorPerRoute'),
                      disabled: true,
                    },
                  },
                },
                {
                  name: 'over',
                  match: { prefix: '/over' },
                  route: { cluster: 'a' },
                  typed_per_filter_config: {
                    'envoy.filters.http.compressor.gzip': {
                      '@type': type('envoy.extensions.filters.http.compressor.v3.CompressorPerRoute'),
                      overrides: { response_direction_config: { remove_accept_encoding_header: true } },
                    },
                  },
                },
                { name: 'direct', match: { prefix: '/direct' }, direct_response: { status: 200, body: { inline_string: body } } },
                { name: 'h2', match: { prefix: '/h2' }, route: { cluster: 'h2' } },
                { name: 'a', match: { prefix: '/' }, route: { cluster: 'a' } },
              ]),
            ],
            { stat_prefix: name, http_filters: [...filters, router()] },
          ),
        ]),
      ),
      clusters: standardClusters(site),
    },
  }),
  cases: [
    ...types.map((value) => compresses(`type "${value}"`, { reply: plain(value === '' ? [] : [['content-type', value]]) })),
    ...accepts.map((accept) => compresses(`accepts "${accept}"`, { to: 'all', accept })),
    ...['br, gzip', 'gzip;q=0.9, br;q=0.5', 'gzip', '*'].map((accept) => compresses(`first, accepts "${accept}"`, { to: 'first', accept })),
    compresses('no accept-encoding', { accept: null }),
    compresses('short', { reply: { body: 'short', headers: [['content-type', 'text/plain']] } }),
    compresses('29 bytes', { reply: { body: 'x'.repeat(29), headers: [['content-type', 'text/plain']] } }),
    compresses('30 bytes', { reply: { body: 'x'.repeat(30), headers: [['content-type', 'text/plain']] } }),
    compresses('chunked', { reply: plain(undefined, { chunked: true }) }),
    compresses('chunked and short', { reply: { body: 'short', chunked: true, headers: [['content-type', 'text/plain']] } }),
    compresses('parts', { reply: plain(undefined, { chunked: true, bodyParts: 4 }) }),
    compresses('large', { reply: { body: body.repeat(2000), headers: [['content-type', 'text/plain']] } }),
    ...['"strong"', 'W/"weak"', 'w/"weak"', 'x'].map((etag) =>
      compresses(`etag ${etag}`, {
        reply: plain([
          ['content-type', 'text/plain'],
          ['etag', etag],
        ]),
      }),
    ),
    compresses('already encoded', {
      reply: plain([
        ['content-type', 'text/plain'],
        ['content-encoding', 'x-other'],
      ]),
    }),
    compresses('no-transform', {
      reply: plain([
        ['content-type', 'text/plain'],
        ['cache-control', 'public, no-transform'],
      ]),
    }),
    ...['Origin', 'accept-encoding', 'Accept-Encoding, Origin', '*'].map((vary) =>
      compresses(`vary ${vary}`, {
        reply: plain([
          ['content-type', 'text/plain'],
          ['vary', vary],
        ]),
      }),
    ),
    compresses('HEAD', { does: { method: 'HEAD' } }),
    ...[201, 204, 206, 304, 404, 500].map((status) =>
      compresses(`status ${status}`, {
        reply: status === 204 || status === 304 ? { status, headers: [['content-type', 'text/plain']] } : plain(undefined, { status }),
      }),
    ),
    compresses('off by route', { does: { path: '/off' } }),
    compresses('route takes accept-encoding away', { does: { path: '/over' } }),
    compresses('direct response', { does: { path: '/direct' } }),
    compresses('trailers of HTTP/2', { does: { path: '/h2' }, reply: plain(undefined, { trailers: [['x-end', 'yes']] }) }),
    ...['text/plain', 'text/html', 'x/y'].map((value) =>
      compresses(`response rules ${value}`, { to: 'response', reply: plain([['content-type', value]]) }),
    ),
    compresses('response rules, etag', { to: 'response', reply: plain([...html, ['etag', '"x"']]) }),
    compresses('response rules, 404', { to: 'response', reply: plain(html, { status: 404 }) }),
    compresses('response rules, 90 bytes', { to: 'response', reply: { body: 'x'.repeat(90), headers: html } }),
    compresses('switched off', { to: 'off' }),
    compresses('request', { to: 'request', does: { method: 'POST', body, headers: [['content-type', 'text/plain']] } }),
    compresses('request of another type', { to: 'request', does: { method: 'POST', body, headers: [['content-type', 'image/png']] } }),
    compresses('short request', { to: 'request', does: { method: 'POST', body: 'short', headers: [['content-type', 'text/plain']] } }),
    compresses('encoded request', { to: 'request', does: { method: 'POST', body, headers: [['content-encoding', 'x']] } }),
    ...(
      [
        ['gzip', gzipSync(body)],
        ['br', brotliCompressSync(body)],
        ['zstd', zstdCompressSync(body)],
      ] as const
    ).flatMap(([encoding, data]) => [
      compresses(`decompresses ${encoding} request`, {
        to: 'open',
        does: { method: 'POST', body: data, headers: [['content-encoding', encoding]] },
      }),
      compresses(`decompresses ${encoding} response`, { to: 'open', reply: plain([['content-encoding', encoding]], { body: data }) }),
    ]),
    compresses('decompresses nothing', { to: 'open', accept: null }),
    compresses('decompresses one of two', { to: 'open', reply: plain([['content-encoding', 'gzip, x-other']], { body: gzipSync(body) }) }),
    compresses('decompressor obeys no-transform', {
      to: 'open',
      reply: plain(
        [
          ['content-encoding', 'gzip'],
          ['cache-control', 'no-transform'],
        ],
        { body: gzipSync(body) },
      ),
    }),
    compresses('does not advertise', { to: 'silent', accept: 'x' }),
  ],
  stats: Object.keys({
    compressed: 1,
    not_compressed: 1,
    content_length_too_small: 1,
    total_uncompressed_bytes: 1,
    no_accept_header: 1,
    header_identity: 1,
    header_compressor_used: 1,
    header_compressor_overshadowed: 1,
    header_wildcard: 1,
    header_not_valid: 1,
    not_compressed_etag: 1,
  })
    .flatMap((what) => [
      `http.gzip.compressor.text.gzip.${what}`,
      `http.all.compressor.text.brotli.${what}`,
      `http.all.compressor.text.zstd.${what}`,
      `http.response.compressor.text.gzip.response.${what}`,
      `http.request.compressor.text.gzip.request.${what}`,
      `http.response.compressor.text.gzip.${what}`,
    ])
    .concat([
      'http.open.decompressor.open.gzip.request.decompressed',
      'http.open.decompressor.open.gzip.response.decompressed',
      'http.open.decompressor.open.gzip.response.not_decompressed',
    ]),
};
