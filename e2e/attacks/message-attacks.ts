import type { CodeGuard } from './guards.ts';
import { get, http2Request } from './http2-bytes.ts';
import type { ManagerSettings } from './relay-config.ts';

/** What an attacker writes to a listener of a proxy, and what keeps it out. */
export interface MessageAttack {
  readonly name: string;
  readonly bytes: Buffer;
  /** Settings of the listener that is attacked, where the guard is asked for by configuration. */
  readonly settings?: ManagerSettings;
  /** The guard: settings without it, or the source that does it. */
  readonly without: { readonly settings: ManagerSettings } | { readonly code: readonly CodeGuard[] };
  /** Whether the upstream saw what the attacker wanted it to see. */
  succeeded(upstream: string): boolean;
  /** Stock Envoy lets it pass, for a reason. */
  readonly envoyPasses?: string;
}

const reached = (upstream: string): boolean => upstream.includes('/secret');
const sees = (pattern: RegExp) => (upstream: string) => pattern.test(upstream);

function h1(lines: readonly string[], body = ''): Buffer {
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1');
}

const HOST = 'Host: victim.example';
const FIELDS = 'packages/wire/src/http1/fields.ts';
const REQUEST_HEAD = 'packages/wire/src/http1/request-head.ts';
const BODY = 'packages/wire/src/http1/body-decoder.ts';
const NAME = 'packages/wire/src/field-name.ts';
const BLOCK = 'packages/wire/src/http2/header-block.ts';
const HEADERS = 'packages/dataplane/src/http/request-headers.ts';
const FORWARDED_CERT = 'packages/dataplane/src/http/forwarded-client-cert.ts';

const guard = (file: string, find: string, replace: string): CodeGuard => ({ file, find, replace });

const lengthAndCoding = [
  guard(
    FIELDS,
    'if (chunked && contentLength >= 0) {',
    'if (chunked && contentLength >= 0) chunked = false;\n  if (chunked && contentLength >= 0) {',
  ),
];
const repeatedLength = [guard(FIELDS, "if (contentLength >= 0) return 'more than one content-length';", '')];
const wrongLength = [
  guard(FIELDS, "if (!decimal.test(value)) return 'invalid content-length';", ''),
  guard(FIELDS, 'contentLength = Number(value);', 'contentLength = Math.abs(Number.parseInt(value));'),
];
const repeatedCoding = [guard(FIELDS, 'if (chunked) return secondCoding;', '')];
const otherCodings = [guard(FIELDS, 'else coding = otherCoding;', 'else chunked = true;')];
const fieldNames = [guard(NAME, 'if (!tokenPattern.test(name)) return undefined;', '')];
const trimmedNames = [guard(FIELDS, 'fieldNameOf(text.slice(i, colon))', 'fieldNameOf(text.slice(i, colon).trim())')];
const controlsInFields = [
  guard(FIELDS, 'if (forbidden.test(text)) return forbiddenCharacters;', ''),
  guard(NAME, 'return unsafeInValue.test(value) ?', 'return false ?'),
];
const controlsInBlock = [
  guard(BLOCK, 'if (forbiddenInValue.test(value)) return', 'if (false) return'),
  guard(NAME, 'return unsafeInValue.test(value) ?', 'return false ?'),
];
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is the source of a template
const connectionFields = [guard(BLOCK, 'return `connection-specific field ${name}`;', 'break;')];
const targetsInBlock = [
  guard(BLOCK, "if (!targetPattern.test(path)) return 'invalid :path';", ''),
  guard('packages/wire/src/http1/client-connection.ts', 'if (!unsafeInTarget.test(target)) return target;', 'return target;'),
];
const lengthOfBody = [
  guard('packages/wire/src/http2/server-connection.ts', 'stream.expectedBytes = received.contentLength;', ''),
  guard('packages/wire/src/http1/body-encoder.ts', "if (data.length > this.#remaining) return 'body longer than its content-length';", ''),
];
const fragments = [guard(HEADERS, "if (head.path.indexOf('#') !== -1)", 'if (false)')];
const forged = [guard(HEADERS, 'if ((seen & seenEnvoy) !== 0) removeForged(headers, edge);', '')];

const wrongChunkSize = [guard(BODY, "else this.error = 'invalid chunk size';", '')];

const smuggled = 'GET /secret HTTP/1.1\r\nHost: victim.example\r\n\r\n';

/** Where two readers of HTTP/1 could disagree about where a message ends (RFC 9112 section 11.2). */
const framing: MessageAttack[] = [
  {
    name: 'CL.TE: both lengths, the body holds a request',
    bytes: h1(['POST / HTTP/1.1', HOST, `Content-Length: ${smuggled.length + 5}`, 'Transfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`),
    without: { code: lengthAndCoding },
    succeeded: reached,
  },
  {
    name: 'TE.CL: both lengths, the other way around',
    bytes: h1(['POST / HTTP/1.1', HOST, 'Transfer-Encoding: chunked', 'Content-Length: 4'], `5c\r\n${smuggled}0\r\n\r\n`),
    without: { code: lengthAndCoding },
    succeeded: sees(/content-length: 4\r\n/i),
  },
  {
    name: 'TE.TE: two transfer-encodings',
    bytes: h1(['POST /secret HTTP/1.1', HOST, 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
    without: { code: repeatedCoding },
    succeeded: reached,
  },
  ...['xchunked', 'chunked, identity', 'identity, chunked', 'chunked;q=1', '\x0bchunked'].map((coding) => ({
    name: `TE.TE: transfer-encoding ${JSON.stringify(coding)}`,
    bytes: h1(['POST /secret HTTP/1.1', HOST, `Transfer-Encoding: ${coding}`], '0\r\n\r\n'),
    without: { code: coding.startsWith('\x0b') ? [...otherCodings, ...controlsInFields] : otherCodings },
    succeeded: reached,
  })),
  {
    name: 'space before the colon of transfer-encoding',
    bytes: h1(['POST /secret HTTP/1.1', HOST, 'Transfer-Encoding : chunked'], '0\r\n\r\n'),
    without: { code: trimmedNames },
    succeeded: reached,
  },
  {
    name: 'two content-lengths that differ',
    bytes: h1(['POST /secret HTTP/1.1', HOST, 'Content-Length: 0', 'Content-Length: 5'], 'hello'),
    without: { code: repeatedLength },
    succeeded: reached,
  },
  {
    name: 'two content-lengths that are the same',
    bytes: h1(['POST /secret HTTP/1.1', HOST, 'Content-Length: 5', 'Content-Length: 5'], 'hello'),
    without: { code: repeatedLength },
    succeeded: reached,
  },
  ...['+5', '-5', '0x5', '5, 5', '5 5', '05e0', '9999999999999999999'].map((length) => ({
    name: `content-length ${length}`,
    bytes: h1(['POST /secret HTTP/1.1', HOST, `Content-Length: ${length}`], 'hello'),
    without: { code: wrongLength },
    succeeded: reached,
    ...(length.length > 15 ? { envoyPasses: 'it takes any length below 2^64' } : {}),
  })),
  {
    name: 'transfer-encoding in HTTP/1.0',
    envoyPasses: 'it reads HTTP/1.0 with chunks',
    bytes: h1(['POST /secret HTTP/1.0', HOST, 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
    settings: { http_protocol_options: { accept_http_10: true } },
    without: { code: [guard(REQUEST_HEAD, "if (version === 'HTTP/1.0' && fields.chunked) return", 'if (false) return')] },
    succeeded: reached,
  },
  {
    name: 'chunk size 0x5',
    bytes: h1(['POST /secret HTTP/1.1', HOST, 'Transfer-Encoding: chunked'], '0x5\r\nhello\r\n0\r\n\r\n'),
    without: { code: wrongChunkSize },
    succeeded: sees(/hello/),
  },
  {
    name: 'chunk size with a space behind it',
    bytes: h1(['POST /secret HTTP/1.1', HOST, 'Transfer-Encoding: chunked'], '5 \r\nhello\r\n0\r\n\r\n'),
    without: { code: wrongChunkSize },
    succeeded: sees(/hello/),
    envoyPasses: 'it takes white space between the size and the end of its line',
  },
  {
    name: 'chunk longer than its size',
    envoyPasses: 'it skips what stands between the end of a chunk and the end of that line',
    bytes: h1(['POST /secret HTTP/1.1', HOST, 'Transfer-Encoding: chunked'], '3\r\nabcX\n0\r\n\r\n'),
    without: {
      code: [
        guard(
          BODY,
          "if (byte !== 13) this.error = 'chunk longer than its size';\n        else this.#state = 'chunk-lf';",
          "this.#state = 'chunk-lf';",
        ),
      ],
    },
    succeeded: (upstream) => upstream.includes('abc') && upstream.includes('0\r\n\r\n'),
  },
  {
    name: 'bare LF in a chunk extension',
    bytes: h1(['POST /secret HTTP/1.1', HOST, 'Transfer-Encoding: chunked'], '5;a\nb\r\nhello\r\n0\r\n\r\n'),
    without: {
      code: [guard(BODY, "else if ((byte < 32 && byte !== 9) || byte === 127) this.error = 'control character in chunk extension';", '')],
    },
    succeeded: (upstream) => upstream.includes('hello'),
  },
  {
    name: 'a trailer that changes what the body is',
    bytes: h1(['POST /secret HTTP/1.1', HOST, 'Transfer-Encoding: chunked'], '0\r\nContent-Encoding: gzip\r\n\r\n'),
    settings: { http_protocol_options: { enable_trailers: true } },
    without: { code: [guard(BODY, 'if (!forbiddenTrailers.has(name))', 'if (true)')] },
    succeeded: sees(/content-encoding/i),
    envoyPasses: 'it passes on what trailers it gets',
  },
];

/** Lines within lines. */
const lines: MessageAttack[] = [
  {
    name: 'folded line that hides a header',
    bytes: h1(['GET /secret HTTP/1.1', HOST, 'X-A: b', ' X-Admin: true']),
    without: { code: [...controlsInFields, ...trimmedNames] },
    succeeded: sees(/\n ?x-admin: true/i),
  },
  {
    name: 'bare LF in a value',
    bytes: h1(['GET /secret HTTP/1.1', HOST, 'X-A: b\nX-Admin: true']),
    without: { code: controlsInFields },
    succeeded: sees(/\nx-admin: true/i),
    envoyPasses: 'it takes a bare LF for the end of a line and forwards two headers',
  },
  {
    name: 'bare CR in a value',
    bytes: h1(['GET /secret HTTP/1.1', HOST, 'X-A: b\rX-Admin: true']),
    without: { code: controlsInFields },
    succeeded: sees(/\rx-admin: true/i),
  },
  {
    name: 'NUL in a value',
    bytes: h1(['GET /secret HTTP/1.1', HOST, 'X-A: b\0c']),
    without: { code: controlsInFields },
    succeeded: sees(/b\0c/),
  },
  {
    name: 'NUL in a name',
    bytes: h1(['GET /secret HTTP/1.1', HOST, 'X-A\0: b']),
    without: { code: [...controlsInFields, ...fieldNames] },
    succeeded: reached,
  },
  ...['x a', 'x\ta', 'x(a)', 'x{a}', 'x"a"', 'x@a'].map((name) => ({
    name: `header name ${JSON.stringify(name)}`,
    bytes: h1(['GET /secret HTTP/1.1', HOST, `${name}: b`]),
    without: { code: fieldNames },
    succeeded: reached,
  })),
  {
    name: 'header line without colon',
    bytes: h1(['GET /secret HTTP/1.1', HOST, 'nonsense']),
    without: {
      code: [
        guard(
          FIELDS,
          "if (colon < 0 || colon >= end) return 'header line without colon';",
          'if (colon < 0 || colon >= end) { i = end + 2; continue; }',
        ),
      ],
    },
    succeeded: reached,
  },
  {
    name: 'space in the target',
    bytes: h1(['GET /public /secret HTTP/1.1', HOST]),
    without: {
      code: [
        guard(
          REQUEST_HEAD,
          "const second = text.indexOf(' ', first + 1);",
          "const second = text.lastIndexOf(' ', text.indexOf('\\r\\n'));",
        ),
        guard(REQUEST_HEAD, 'if (!targetPattern.test(target)) return', 'if (false) return'),
      ],
    },
    succeeded: reached,
  },
  {
    name: 'control characters in the target',
    bytes: h1(['GET /secret\x01 HTTP/1.1', HOST]),
    without: {
      code: [
        guard(REQUEST_HEAD, 'if (!targetPattern.test(target)) return', 'if (false) return'),
        guard(FIELDS, 'if (forbidden.test(text)) return forbiddenCharacters;', ''),
      ],
    },
    succeeded: reached,
  },
  {
    name: 'a version of the future',
    bytes: h1(['GET /secret HTTP/1.9', HOST]),
    without: { code: [guard(REQUEST_HEAD, "if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') {", 'if (false) {')] },
    succeeded: reached,
  },
];

/** Who is asked, said twice. */
const hosts: MessageAttack[] = [
  {
    name: 'no host',
    bytes: h1(['GET /secret HTTP/1.1']),
    without: { code: [guard(REQUEST_HEAD, "if (version === 'HTTP/1.1' && fields.host === undefined) {", 'if (false) {')] },
    succeeded: reached,
  },
  {
    name: 'two hosts',
    envoyPasses: 'it joins them to one, by a comma',
    bytes: h1(['GET /secret HTTP/1.1', HOST, 'Host: other.example']),
    without: { code: [guard(FIELDS, "if (host !== undefined) return 'more than one host header';", '')] },
    succeeded: reached,
  },
  {
    name: 'space in the host',
    bytes: h1(['GET /secret HTTP/1.1', 'Host: victim.example other.example']),
    without: { code: [guard(REQUEST_HEAD, "if (!authorityPattern.test(fields.host ?? '')) return", 'if (false) return')] },
    succeeded: reached,
  },
  {
    name: 'slash in the host',
    bytes: h1(['GET /secret HTTP/1.1', 'Host: victim.example/x']),
    without: { code: [guard(REQUEST_HEAD, "if (!authorityPattern.test(fields.host ?? '')) return", 'if (false) return')] },
    succeeded: reached,
  },
  {
    name: 'absolute target whose host is not the one in Host',
    bytes: h1(['GET http://inner.example/ HTTP/1.1', HOST]),
    without: { code: [guard(REQUEST_HEAD, '  head.authority = authority;\n  head.scheme', '  head.scheme')] },
    succeeded: sees(/victim\.example/),
  },
  ...['http://a:80@inner.example/secret', 'http://inner.example:99999/secret', 'http://inner.example:8o/secret'].map((target) => ({
    name: `absolute target ${target}`,
    bytes: h1([`GET ${target} HTTP/1.1`, HOST]),
    without: {
      code: [guard(REQUEST_HEAD, "authority.includes('@') || !authorityPattern.test(authority) || hasBadPort(authority)", 'false')],
    },
    succeeded: reached,
    ...(target.includes('@') ? { envoyPasses: 'it takes user information for part of the host' } : {}),
  })),
  {
    name: 'absolute target of another scheme',
    bytes: h1(['GET file:///secret HTTP/1.1', HOST]),
    without: {
      code: [
        guard(REQUEST_HEAD, '/^(https?|wss?):\\/\\/([^/?#]*)(.*)$/i', '/^(https?|wss?|file):\\/\\/([^/?#]*)(.*)$/i'),
        guard(REQUEST_HEAD, "authority === '' ||", 'false &&'),
      ],
    },
    succeeded: reached,
  },
];

const tunnels: ManagerSettings = {
  upgrade_configs: [{ upgrade_type: 'CONNECT' }],
  route_config: {
    virtual_hosts: [
      {
        name: 'all',
        domains: ['*'],
        routes: [
          { match: { connect_matcher: {} }, route: { cluster: 'up', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] } },
          { match: { prefix: '/' }, route: { cluster: 'up' } },
        ],
      },
    ],
  },
};

/** Headers that only the mesh may write. */
const headers: MessageAttack[] = [
  {
    name: 'x-forwarded-client-cert from outside',
    bytes: h1(['GET / HTTP/1.1', HOST, 'X-Forwarded-Client-Cert: URI=spiffe://cluster.local/ns/default/sa/admin']),
    without: { settings: { forward_client_cert_details: 'ALWAYS_FORWARD_ONLY' } },
    succeeded: sees(/sa\/admin/),
  },
  {
    name: 'x-forwarded-client-cert from outside, split over two fields',
    bytes: h1([
      'GET / HTTP/1.1',
      HOST,
      'X-Forwarded-Client-Cert: By=x',
      'x-forwarded-client-cert: URI=spiffe://cluster.local/ns/default/sa/admin',
    ]),
    without: { code: [guard(FORWARDED_CERT, 'removeHeader(headers, name);', '')] },
    succeeded: sees(/sa\/admin/),
  },
  {
    name: 'x-forwarded-proto from outside',
    bytes: h1(['GET / HTTP/1.1', HOST, 'X-Forwarded-Proto: https']),
    without: { settings: { use_remote_address: false } },
    succeeded: sees(/x-forwarded-proto: https/i),
  },
  {
    name: 'x-envoy-internal from outside',
    bytes: h1(['GET / HTTP/1.1', HOST, 'X-Envoy-Internal: true']),
    without: { code: [guard(HEADERS, "if (name === 'x-envoy-internal') continue;", '')] },
    succeeded: sees(/x-envoy-internal: true/i),
  },
  {
    name: 'x-envoy-external-address from outside',
    bytes: h1(['GET / HTTP/1.1', HOST, 'X-Envoy-External-Address: 10.9.9.9']),
    without: { settings: { use_remote_address: false } },
    succeeded: sees(/10\.9\.9\.9/),
  },
  {
    name: 'x-envoy-original-path from outside',
    bytes: h1(['GET / HTTP/1.1', HOST, 'X-Envoy-Original-Path: /admin']),
    without: { code: forged },
    succeeded: sees(/x-envoy-original-path/i),
  },
  {
    name: 'x-envoy-decorator-operation from outside',
    bytes: h1(['GET / HTTP/1.1', HOST, 'X-Envoy-Decorator-Operation: other']),
    without: { code: forged },
    succeeded: sees(/x-envoy-decorator-operation/i),
  },
  {
    name: 'connection header that names x-forwarded-for',
    bytes: h1(['GET /secret HTTP/1.1', HOST, 'Connection: close, X-Forwarded-For']),
    without: { code: [guard(REQUEST_HEAD, 'if (namesForbidden(connection)) return', 'if (false) return')] },
    succeeded: reached,
  },
  {
    name: 'connection header that names host',
    bytes: h1(['GET /secret HTTP/1.1', HOST, 'Connection: host']),
    without: { code: [guard(REQUEST_HEAD, "if (hasToken(connection, 'host')) {", 'if (false) {')] },
    succeeded: reached,
  },
  {
    name: 'hop-by-hop headers for the next hop',
    bytes: h1(['GET / HTTP/1.1', HOST, 'Connection: x-secret-hop', 'X-Secret-Hop: 1', 'TE: gzip', 'Proxy-Connection: keep-alive']),
    without: { code: [guard(REQUEST_HEAD, 'if (upgrade === undefined) removeConnectionNamed(fields);', '')] },
    succeeded: sees(/x-secret-hop: 1/i),
  },
  {
    name: 'h2c upgrade past the filters',
    bytes: h1(['GET /secret HTTP/1.1', HOST, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__']),
    settings: { upgrade_configs: [{ upgrade_type: 'h2c' }] },
    without: { code: [guard(REQUEST_HEAD, "return wanted === 'h2c' ? undefined : wanted;", 'return wanted;')] },
    succeeded: sees(/upgrade: h2c/i),
    envoyPasses: 'it refuses the listener: h2c is not a type of upgrade that it takes',
  },
  {
    name: 'CONNECT where nobody asked for tunnels',
    bytes: h1(['CONNECT inner.example:443 HTTP/1.1', HOST], 'GET /secret HTTP/1.1\r\n\r\n'),
    without: { settings: tunnels },
    succeeded: sees(/CONNECT|\/secret/),
  },
  {
    name: 'header with an underscore that a server takes for another',
    bytes: h1(['GET /secret HTTP/1.1', HOST, 'X_Forwarded_Client_Cert: admin']),
    settings: { common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST' } },
    without: { settings: {} },
    succeeded: reached,
  },
  {
    name: 'header with an underscore, dropped',
    bytes: h1(['GET / HTTP/1.1', HOST, 'X_Forwarded_Client_Cert: admin']),
    settings: { common_http_protocol_options: { headers_with_underscores_action: 'DROP_HEADER' } },
    without: { settings: {} },
    succeeded: sees(/x_forwarded/i),
  },
  {
    name: 'header section of 80 KiB',
    bytes: h1(['GET /secret HTTP/1.1', HOST, `X-Large: ${'a'.repeat(80 * 1024)}`]),
    without: { settings: { max_request_headers_kb: 512 } },
    succeeded: reached,
  },
  {
    name: '200 headers',
    bytes: h1(['GET /secret HTTP/1.1', HOST, ...Array.from({ length: 200 }, (_, index) => `X-${index}: a`)]),
    without: { settings: { common_http_protocol_options: { max_headers_count: 1000 } } },
    succeeded: reached,
  },
];

/** Targets that mean another path to somebody further on. */
const targets: MessageAttack[] = [
  {
    name: 'fragment in the target',
    bytes: h1(['GET /secret#/../public HTTP/1.1', HOST]),
    without: { code: fragments },
    succeeded: reached,
  },
];

/** HTTP/2 in, HTTP/1 out. */
const downgrade: MessageAttack[] = [
  ...(
    [
      ['CRLF in a value', get('/secret', ['x-a', 'b\r\nX-Admin: true'])],
      ['LF in a value', get('/secret', ['x-a', 'b\nX-Admin: true'])],
      ['NUL in a value', get('/secret', ['x-a', 'b\0c'])],
    ] as const
  ).map(([what, fields]) => ({
    name: `h2 to h1: ${what}`,
    bytes: http2Request(fields),
    without: { code: controlsInBlock },
    succeeded: sees(/\nX-Admin: true|b\0c/),
  })),
  {
    name: 'h2 to h1: CRLF in a name',
    bytes: http2Request(get('/secret', ['x-a: b\r\nx-admin', 'true'])),
    without: {
      code: [guard(BLOCK, 'if (field === undefined || field.lower !== name) return', 'if (field === undefined) return'), ...fieldNames],
    },
    succeeded: sees(/\nx-admin: true/i),
  },
  {
    name: 'h2 to h1: upper-case name',
    bytes: http2Request(get('/secret', ['X-Admin', 'true'])),
    without: { code: [guard(BLOCK, 'if (field === undefined || field.lower !== name) return', 'if (field === undefined) return')] },
    succeeded: reached,
  },
  {
    name: 'h2 to h1: CRLF in :path',
    bytes: http2Request([
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/ HTTP/1.1\r\nhost: x\r\n\r\nGET /secret'],
      [':authority', 'victim.example'],
    ]),
    without: { code: [...controlsInBlock, ...targetsInBlock] },
    succeeded: sees(/\r\nGET \/secret/),
  },
  {
    name: 'h2 to h1: space in :path',
    bytes: http2Request(get('/secret HTTP/1.0')),
    without: { code: targetsInBlock },
    succeeded: reached,
  },
  {
    name: 'h2 to h1: :method with a request in it',
    bytes: http2Request([
      [':method', 'GET /secret HTTP/1.1\r\nx: '],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'victim.example'],
    ]),
    without: { code: [...controlsInBlock, guard(BLOCK, "if (!isToken(method)) return 'invalid :method';", '')] },
    succeeded: reached,
  },
  {
    name: 'h2 to h1: :authority with user information',
    bytes: http2Request([
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/secret'],
      [':authority', 'a:80@victim.example'],
    ]),
    without: { code: [guard(BLOCK, "if (!authorityPattern.test(authority)) return 'invalid :authority';", '')] },
    succeeded: reached,
  },
  {
    name: 'h2 to h1: host that differs from :authority',
    bytes: http2Request(get('/', ['host', 'inner.example'])),
    without: { code: [guard(BLOCK, 'const authority = split.authority ?? host;', 'const authority = host ?? split.authority;')] },
    succeeded: sees(/inner\.example/),
  },
  ...(
    [
      ['transfer-encoding', 'chunked'],
      ['connection', 'keep-alive'],
      ['upgrade', 'h2c'],
      ['proxy-connection', 'keep-alive'],
      ['keep-alive', 'timeout=5'],
    ] as const
  ).map((field) => ({
    name: `h2 to h1: connection field ${field[0]}`,
    bytes: http2Request(get('/secret', field)),
    without: { code: connectionFields },
    succeeded: reached,
  })),
  {
    name: 'h2 to h1: te other than trailers',
    bytes: http2Request(get('/secret', ['te', 'gzip'])),
    without: { code: [guard(BLOCK, "if (value.toLowerCase() !== 'trailers') return 'te other than trailers';", '')] },
    succeeded: reached,
  },
  {
    name: 'h2 to h1: pseudo-header after a regular one',
    bytes: http2Request([
      [':method', 'GET'],
      [':scheme', 'http'],
      [':authority', 'victim.example'],
      ['x-a', 'b'],
      [':path', '/secret'],
    ]),
    without: {
      code: [guard(BLOCK, "if (headers.length > 0 || split.host !== undefined) return 'pseudo-header field after a regular one';", '')],
    },
    succeeded: reached,
  },
  {
    name: 'h2 to h1: :path twice',
    bytes: http2Request(get('/public', [':path', '/secret'])),
    without: { code: [guard(BLOCK, 'if (split.path !== undefined) return false;', '')] },
    succeeded: reached,
  },
  {
    name: 'h2 to h1: unknown pseudo-header',
    bytes: http2Request([[':admin', 'true'], ...get('/secret')]),
    without: {
      code: [
        guard(
          BLOCK,
          "if (!takePseudo(split, name, value, message)) return 'unknown or repeated pseudo-header field';",
          'takePseudo(split, name, value, message);',
        ),
      ],
    },
    succeeded: reached,
  },
  {
    name: 'h2 to h1: content-length that is not the length of the body',
    bytes: http2Request(
      [
        [':method', 'POST'],
        [':scheme', 'http'],
        [':path', '/'],
        [':authority', 'victim.example'],
        ['content-length', '0'],
      ],
      smuggled,
    ),
    without: { code: lengthOfBody },
    succeeded: reached,
  },
  {
    name: 'h2 to h1: two content-lengths',
    bytes: http2Request(
      [
        [':method', 'POST'],
        [':scheme', 'http'],
        [':path', '/secret'],
        [':authority', 'victim.example'],
        ['content-length', '5'],
        ['content-length', '0'],
      ],
      'hello',
    ),
    without: { code: [guard(BLOCK, 'if (split.contentLength >= 0 || !/^[0-9]{1,15}$/.test(value)) return', 'if (false) return')] },
    succeeded: reached,
  },
];

export const messageAttacks: readonly MessageAttack[] = [...framing, ...lines, ...hosts, ...headers, ...targets, ...downgrade];
